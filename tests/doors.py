"""Every route and port of a running collector with every wrong credential: python tests/doors.py prints what each is answered.

Columns of the table are credentials, rows are routes as the application and the gRPC server have them. `-` stands where a column does not
apply: the right scope is no wrong one, and telemetry may come from anywhere.
"""

import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import httpx
import polars as pl
from bodies import JSON, PROTOBUF
from collectors import Collector, configure, running

from analytics.config import Config
from ingest.access import Credentials, new_token, proof_of
from ingest.clock import Wall
from ingest.collector import _app
from ingest.conversion import Converter
from ingest.doors import _OPEN, right_to
from ingest.gate import Gate
from ingest.health import Health
from ingest.intake import Intake
from ingest.otlp_grpc import _METHODS
from ingest.otlp_http import SIGNALS
from ingest.service import opened

GRPC = "gRPC"
REFUSED = {"UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403}
SCOPES = ("ingest", "read", "control", "admin")


@dataclass
class Keys:
    """A config directory with an access.yaml, and the tokens that are in it."""

    data: Path
    config: Path
    entries: list[dict] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    more: dict[str, object] = field(default_factory=dict)
    """Other keys of access.yaml."""

    def add(self, name: str, *scopes: str, **more: object) -> str:
        """A token for a new credential."""
        self.tokens[name] = token = new_token(name)
        self.entries.append({"id": name, "hash": proof_of(self.data, token), "scopes": list(scopes), **more})
        return self.write() or token

    def revoke(self, name: str) -> None:
        """From now on it is good for nothing."""
        self.entries = [entry for entry in self.entries if entry["id"] != name]
        self.write()

    def write(self) -> None:
        """access.yaml, in one step."""
        part = self.config / ".part"
        part.write_text(json.dumps({"credentials": self.entries, **self.more}))
        part.replace(self.config / "access.yaml")


def keys(place: Path) -> Keys:
    """One token for each scope, and some that were good once."""
    made = Keys(place / "data", configure(place / "config", []))
    for scope in SCOPES:
        made.add(f"only-{scope}", scope)
    made.add("expired", *SCOPES, expires_at=(datetime.now(UTC) - timedelta(seconds=1)).isoformat())
    made.add("revoked", *SCOPES)
    made.revoke("revoked")
    return made


def routes() -> list[tuple[str, str]]:
    """Method and path of everything that answers; of gRPC the method is GRPC."""
    with tempfile.TemporaryDirectory() as place, opened(Path(place), Config(), Wall()) as service:
        intake, gate = Intake(service.pipeline), Gate(1, service.pipeline.tally)
        health = Health(service, intake, [gate], [], lambda: True)
        app = _app(service, intake, Converter(), None, Credentials(Path(place), Config()), b"key", health)
    paths = [(route, re.sub(r"{[^}]*}", "x", route.path)) for route in app.routes]
    over_http = [(method, path) for route, path in paths for method in sorted(route.methods - {"HEAD"})]
    return [*over_http, *((GRPC, path) for path in _METHODS)]


def is_open(path: str) -> bool:
    """Whether a route is for everybody."""
    return path in _OPEN


def wanted(method: str, path: str) -> str:
    """The scope that a route wants."""
    return "ingest" if method == GRPC or path in SIGNALS else right_to(path)


def wrong(made: Keys, method: str, path: str) -> Iterator[tuple[str, Mapping[str, str], str, int]]:
    """What is wrong, headers and query of a request, and the status that it deserves."""
    right = made.tokens[f"only-{wanted(method, path)}"]
    stranger = new_token(f"only-{wanted(method, path)}")
    for name, said in (
        ("none", ""),
        ("no token", "Bearer"),
        ("not a token", "Bearer sesame"),
        ("basic", f"Basic {right}"),
        ("unknown id", f"Bearer {new_token('nobody')}"),
        ("wrong secret", f"Bearer {stranger}"),
        ("a letter more", f"Bearer {right}x"),
        ("expired", f"Bearer {made.tokens['expired']}"),
        ("revoked", f"Bearer {made.tokens['revoked']}"),
    ):
        yield name, {"authorization": said} if said else {}, "", 401
    if method != GRPC:
        yield "in the query", {}, f"?access_token={right}&token={right}", 401
    for scope in SCOPES:
        if scope != wanted(method, path):
            yield f"only {scope}", {"authorization": f"Bearer {made.tokens[f'only-{scope}']}"}, "", 403
    yield "other tenant", {"authorization": f"Bearer {right}", "x-loopledger-tenant": "other"}, "", 403
    if method != GRPC and path not in SIGNALS:
        yield "foreign origin", {"authorization": f"Bearer {right}", "origin": "https://evil.example"}, "", 403
        yield "rebound host", {"authorization": f"Bearer {right}", "host": "evil.example"}, "", 421


def walked(collector: Collector, made: Keys) -> Iterator[tuple[str, str, str, int, int]]:
    """(method, path, what is wrong, status deserved, status given) of every route and every wrong credential."""
    with httpx.Client(base_url=collector.http, timeout=30) as client, grpc.insecure_channel(collector.grpc) as channel:
        for method, path in routes():
            for name, headers, query, deserved in wrong(made, method, path) if not is_open(path) else ():
                given = _called(channel, path, headers) if method == GRPC else _asked(client, method, path + query, headers)
                yield method, path, name, deserved, given


def _asked(client: httpx.Client, method: str, path: str, headers: Mapping[str, str]) -> int:
    media = PROTOBUF if path.partition("?")[0] in SIGNALS else JSON
    content = b"{}" if method == "POST" and media == JSON else None
    return client.request(method, path, headers={"content-type": media, **headers}, content=content).status_code


def _called(channel: grpc.Channel, path: str, headers: Mapping[str, str]) -> int:
    try:
        channel.unary_unary(path)(b"", metadata=tuple(headers.items()), timeout=30)
    except grpc.RpcError as error:
        return REFUSED.get(error.code().name, 500)
    return 200


def main() -> int:
    with tempfile.TemporaryDirectory() as place:
        made = keys(Path(place))
        with running(made.data, made.config) as collector:
            rows = list(walked(collector, made))
    cells = pl.DataFrame(rows, ["method", "path", "wrong", "deserved", "given"], orient="row")
    table = cells.with_columns(pl.col("given").cast(pl.String)).pivot("wrong", index=["method", "path"], values="given").fill_null("-")
    with pl.Config(
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=400,
        fmt_str_lengths=70,
        tbl_hide_dataframe_shape=True,
        tbl_formatting="ASCII_MARKDOWN",
        tbl_hide_column_data_types=True,
    ):
        print(table)
    missed = cells.filter(pl.col("deserved") != pl.col("given")).height
    print(f"{len(rows)} requests with a wrong credential, {missed} answered otherwise than they deserve")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
