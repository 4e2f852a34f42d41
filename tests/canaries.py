"""Canary secrets in every field that OTLP has, in every dialect and encoding, and where they are found afterwards: the table of it.

    python tests/canaries.py [--all] [--no-pages]

Looks through every byte of the data directory, stores read and evidence unpacked too, the log of the process, /metrics, every answer, the
webhook, every report in every format, and what the dashboard's pages are sent. Exits 1 when a canary is found, or when something that is
kept is not. `--all` prints a row for each canary instead of one for each field.
"""

import argparse
import base64
import contextlib
import io
import json
import re
import secrets
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import duckdb
import httpx
import polars as pl
import pyarrow as pa
from collectors import Collector, configure, running
from garden import CONTENT_FORMS, CREDENTIALS, Canary, Garden
from pages import serving
from playwright.sync_api import sync_playwright
from receiver import Receiver, receiving
from transports import ALL, IN_JSON, PLAIN

from analytics import evidence
from analytics.reports import DIMENSIONS, REPORTS
from dashboard import server

CHROMIUM = shutil.which("chromium")
PAGES = sorted(path.stem for path in (Path(server.__file__).parent / "app_pages").glob("[a-z]*.py"))
FORMATS = ("application/json", "text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet")
POLICY = {"name": "loop-month", "per": "loop", "limit_usd": "0.010", "window": "month", "notify": ["ops"]}
PLACES = ("files", "ledger", "evidence", "control store", "log", "metrics", "answers", "webhooks", "reports", "pages")
_CLIENTS = 16
_DRAWN = '[data-testid="stApp"][data-test-script-state="notRunning"] [data-testid="stMain"] [data-testid="stHeading"]'
_WORD = re.compile(rb"canary[0-9a-f]{12}")
_ENCODED = [base64.b64encode(b"\0" * lead + b"canary")[2 * lead : 8].strip(b"=") for lead in range(3)] + [b"canary".hex().encode()]


@dataclass
class Found:
    """What was found, and where."""

    words: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Canary -> places."""
    encoded: set[str] = field(default_factory=set)
    """Places where the beginning of a canary stands in base64 or hex."""
    kept: set[str] = field(default_factory=set)
    """Places where the word that may be kept was found: there a canary would be found too."""
    sizes: Counter = field(default_factory=Counter)

    def look(self, place: str, content: bytes | str, kept: str) -> None:
        content = content.encode(errors="surrogateescape") if isinstance(content, str) else content
        self.sizes[place] += len(content)
        for word in _WORD.findall(content):
            self.words[word.decode()].add(place)
        if any(encoded in content for encoded in _ENCODED):
            self.encoded.add(place)
        if kept.encode() in content:
            self.kept.add(place)


@dataclass
class Visit:
    """Everything a garden was sent to, and what is found there."""

    garden: Garden
    found: Found
    usage: list[dict]
    """What was counted, by every dimension that says whose it is."""
    twins: int
    """Calls that are counted of one that was seen twice."""

    def hits(self, canary: Canary) -> set[str]:
        return self.found.words.get(canary.word, set())


def visited(garden: Garden, bodies: list[tuple[str, bytes]], place: Path, *, keeps_content: bool = False, pages: bool = True) -> Visit:
    """Sends the requests, in turns over every transport, and looks everywhere."""
    found = Found()
    with receiving() as receiver:
        config = configure(place / "config", [POLICY], receiver.url)
        (config / "retention.yaml").write_text(json.dumps({"retention": [{"tenant": "*", "keep_content": keeps_content}]}))
        _with_one_key(place / "data")
        with running(place / "data", config) as collector:
            for answer in _answers(collector, garden, bodies):
                found.look("answers", answer, garden.loop)
            _webhooks(receiver, garden, found)
            for one, content in _read(collector):
                found.look(one, content, garden.loop)
            usage = collector.report("usage", by="model,loop,agent,provider")
            twins = collector.report("usage", loop=f"twins of {garden.loop}")[0]["calls"]
            for content in _pages(collector) if pages else ():
                found.look("pages", content, garden.loop)
            _files(place / "data", garden, found)
    _files(place / "data", garden, found)
    _stores(place / "data", garden, found)
    found.look("log", (place / "data.log").read_bytes(), garden.loop)
    return Visit(garden, found, usage, twins)


def _with_one_key(data: Path) -> None:
    """Notes of what left are the same in every visit, so that what is counted can be compared."""
    data.mkdir()
    (data / "redaction.key").write_bytes(b"the same key" * 3)


def _answers(collector: Collector, garden: Garden, bodies: list[tuple[str, bytes]]) -> Iterator[str]:
    """Every answer to an export, those to malformed ones included, with its headers."""
    with ThreadPoolExecutor(_CLIENTS) as pool:
        for answer in pool.map(lambda way, sent: way.export(collector, sent[1], sent[0]), cycle(ALL), bodies):
            assert answer.ok, answer.error
            yield f"{answer.response} {answer.headers}"
    for encoding, body in garden.malformed():
        for way in IN_JSON if encoding == "json" else [way for way in PLAIN if not way.is_json]:
            answer = way.send(collector, body)
            assert not answer.ok
            yield f"{answer.error} {answer.headers}"
    for secret in ({"authorization": f"Bearer {garden.plant('header of an export', 'text')}"}, {"cookie": garden.plant("cookie", "text")}):
        answer = httpx.post(f"{collector.http}/v1/traces?key={garden.plant('query of an export', 'text')}", headers=secret)
        yield f"{answer.text} {answer.headers}"


def _webhooks(receiver: Receiver, garden: Garden, found: Found) -> None:
    receiver.wait_for(lambda hook: garden.loop in hook.body)
    for hook in receiver.hooks:
        found.look("webhooks", f"{hook.headers} {hook.body}", garden.loop)


def _read(collector: Collector) -> Iterator[tuple[str, bytes | str]]:
    """Metrics, every report in every format, every run's trace and explanation, and the signals."""
    with collector.client() as client:
        yield "metrics", client.get("/metrics").text
        for name in REPORTS:
            for media in FORMATS:
                answer = client.get(f"/api/v1/reports/{name}", headers={"accept": media})
                yield "reports", f"{answer.headers}"
                yield "reports", _opened(answer, media)
        for dimension in DIMENSIONS:
            yield "reports", client.get("/api/v1/reports/spend", params={"by": dimension}, headers={"accept": "text/csv"}).content
        runs = [row["run"] for row in client.get("/api/v1/reports/runs").json()["rows"]]
        for run in runs:
            for report in ("run_trace", "explain"):
                yield "reports", client.get(f"/api/v1/reports/{report}", params={"run": run}).content
        yield "reports", client.get("/api/v1/openapi.json").content


def _opened(answer: httpx.Response, media: str) -> bytes | str:
    if answer.status_code == 200 and media == FORMATS[2]:
        return repr(pa.ipc.open_stream(answer.content).read_all().to_pylist())
    if answer.status_code == 200 and media == FORMATS[3]:
        return repr(pl.read_parquet(io.BytesIO(answer.content)).rows())
    return answer.content


def _files(data: Path, garden: Garden, found: Found) -> None:
    for path in data.rglob("*"):
        if path.is_file():
            found.look("files", path.read_bytes(), garden.loop)


def _stores(data: Path, garden: Garden, found: Found) -> None:
    """What the stores of a stopped collector hold, whatever they do to their bytes on disk."""
    with contextlib.closing(duckdb.connect(data / "ledger.duckdb", read_only=True)) as ledger:
        for (table,) in ledger.execute("select table_name from information_schema.tables").fetchall():
            found.look("ledger", repr(ledger.execute(f'select * from "{table}"').fetchall()), garden.loop)
        for (blob,) in ledger.execute("select attributes from evidence").fetchall():
            found.look("evidence", repr(evidence.unpack(blob).to_pylist()), garden.loop)
    with contextlib.closing(sqlite3.connect(data / "control.sqlite")) as control:
        for line in control.iterdump():
            found.look("control store", line, garden.loop)


def _pages(collector: Collector) -> Iterator[bytes | str]:
    """What a real browser is sent and shows of every page; nothing where none is installed."""
    if CHROMIUM is None:
        return
    with serving(collector.http) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page, frames = browser.new_page(), []

        def heard(frame: bytes | str) -> None:
            frames.append(frame)

        page.on("websocket", lambda connection: connection.on("framereceived", heard))
        for name in PAGES:
            page.goto(f"{url}/{name.removeprefix('overview')}")
            page.wait_for_selector(_DRAWN, timeout=60_000)
            yield page.content()
        yield from frames
        browser.close()


def both(place: Path, *, pages: bool = True, forms: tuple[str, ...] = CONTENT_FORMS) -> tuple[Visit, Visit]:
    """The same requests to a tenant that keeps no content, which is the default, and to one that asked for it."""
    garden = Garden(f"kept-{secrets.token_hex(4)}", forms=forms)
    bodies = list(garden.requests())
    sent = len(garden.canaries)
    strict = visited(garden, bodies, place / "strict", pages=pages)
    keeping = Garden(garden.loop, garden.canaries[:sent])
    return strict, visited(keeping, bodies, place / "keeping", keeps_content=True, pages=False)


def is_credential(canary: Canary) -> bool:
    return canary.form in CREDENTIALS or canary.field.startswith("credential")


def found_of(visit: Visit, *, credentials_only: bool = False) -> list[tuple[str, str, list[str]]]:
    """Field, form and places of each canary that was found."""
    asked = [canary for canary in visit.garden.canaries if is_credential(canary) or not credentials_only]
    return [(canary.field, canary.form, sorted(places)) for canary in asked if (places := visit.hits(canary))]


def rows(visit: Visit, every: bool) -> Iterator[str]:
    """The table: field, forms, canaries, hits."""
    groups = defaultdict(list)
    for canary in visit.garden.canaries:
        groups[canary.field, canary.form if every else ""].append(canary)
    for (place, _), canaries in groups.items():
        forms, hits = ", ".join(dict.fromkeys(canary.form for canary in canaries)), [visit.hits(canary) for canary in canaries]
        yield f"| {place} | {forms} | {len(canaries)} | {sum(map(bool, hits))} {', '.join(sorted(set().union(*hits)))} |"


def main() -> int:
    """Prints the table; 1 when a canary is found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="a row for each canary")
    parser.add_argument("--no-pages", action="store_true", help="without the browser")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="loopledger-canaries-") as place:
        strict, keeping = both(Path(place), pages=not given.no_pages)
    print("| field | forms | canaries | hits |\n|---|---|---|---|")
    for line in rows(strict, given.all):
        print(line)
    hits, opened = found_of(strict), found_of(keeping, credentials_only=True)
    print(f"\n{len(strict.garden.canaries)} canaries, {len(hits)} found; encoded ones in {sorted(strict.found.encoded) or 'no place'}")
    print(f"where content is kept: {sum(map(is_credential, keeping.garden.canaries))} credentials, {len(opened)} found")
    print(f"counted alike with and without content: {'yes' if strict.usage == keeping.usage else 'no'}")
    print(f"calls whose records only their content joins: {strict.twins} of 1")
    print("\n| looked in | bytes | what is kept was found |\n|---|---|---|")
    for place_ in PLACES:
        print(f"| {place_} | {strict.found.sizes[place_]:,} | {'yes' if place_ in strict.found.kept else 'no'} |")
    return int(bool(hits or opened or strict.found.encoded) or strict.usage != keeping.usage or strict.twins != 1)


if __name__ == "__main__":
    sys.exit(main())
