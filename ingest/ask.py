"""Reports from a data directory: through its collector while one holds it, else from the stores themselves."""

import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import httpx
import polars as pl

from analytics.config import Config, load
from analytics.errors import StoreError
from analytics.reports import REPORTS, WORDS, Question, QuestionError, Sources, moment
from ingest.access import DEFAULT_TENANT, control_token
from ingest.clock import Replay
from ingest.explanation import explained
from ingest.service import opened
from ingest.tls import trusting

_TIMEOUT = 60.0


def find_collector(data: Path) -> str | None:
    """The HTTP address of the collector that holds a directory; None when there is none, or only what a dead one left behind."""
    with suppress(OSError, ValueError, KeyError, TypeError, httpx.HTTPError), connected(data) as client:
        client.get("/healthz", timeout=5)
        return str(client.base_url).rstrip("/")
    return None


def connected(data: Path, timeout: httpx.Timeout | float = _TIMEOUT) -> httpx.Client:
    """A client of the collector that holds a directory, with all rights. Raises OSError, ValueError and the like when none is told of."""
    told = json.loads((data / "collector.json").read_text())
    os.kill(told["pid"], 0)
    certificate = told.get("certificate")
    verify = trusting(Path(certificate)) if certificate else True
    return httpx.Client(base_url=told["http"], headers={"authorization": f"Bearer {control_token(data)}"}, verify=verify, timeout=timeout)


def remember_config(data: Path, config: Path | None) -> None:
    """Notes which config directory rules a data directory, for reports that are asked without a collector."""
    if config is not None:
        data.mkdir(parents=True, exist_ok=True)
        (data / "config.path").write_text(f"{config.resolve()}\n")


def remembered_config(data: Path) -> Config:
    """The config directory last used with a data directory; empty when there was none, or it is gone."""
    path = data / "config.path"
    directory = Path(path.read_text().strip()) if path.exists() else None
    return load(directory if directory and directory.is_dir() else None)


def ask(data: Path, report: str, params: Mapping[str, object]) -> pl.DataFrame:
    """The rows of a report; `params` as the read API takes them. Raises QuestionError, StoreError, ConfigError."""
    if report not in REPORTS:
        raise QuestionError(f"there is no report {report!r}: there are {', '.join(REPORTS)}")
    return _over_http(data, report, params) if find_collector(data) else _from_stores(data, report, params)


def ask_explain(data: Path, run: str) -> pl.DataFrame:
    """All rows of `explain` for a run, or for the runs of a session, conversation or trace. Raises QuestionError for one nobody knows."""
    if find_collector(data):
        with connected(data) as client:
            return pl.concat(_pages(client, f"/api/v1/runs/{quote(run, safe='')}/explain"))
    with _stores(data) as sources:
        return explained(sources, Question(DEFAULT_TENANT), run)


def _pages(client: httpx.Client, path: str) -> Iterator[pl.DataFrame]:
    cursor: str | None = "0"
    while cursor is not None:
        answer = _get(client, path, {"cursor": cursor})
        yield pl.read_ipc_stream(io.BytesIO(answer.content))
        cursor = answer.headers.get("x-loopledger-next-cursor")


def _over_http(data: Path, report: str, params: Mapping[str, object]) -> pl.DataFrame:
    with connected(data) as client:
        return pl.read_ipc_stream(io.BytesIO(_get(client, f"/api/v1/reports/{report}", params).content))


def _get(client: httpx.Client, path: str, params: Mapping[str, object]) -> httpx.Response:
    answer = client.get(path, params=params, headers={"accept": "application/vnd.apache.arrow.stream"})
    if answer.status_code in (400, 404):
        raise QuestionError(answer.json()["detail"])
    if answer.is_error:
        raise StoreError(f"the collector at {client.base_url} answers {answer.status_code}: {answer.text}")
    return answer


def _from_stores(data: Path, report: str, params: Mapping[str, object]) -> pl.DataFrame:
    filters = {name: tuple(value) for name, value in params.items() if isinstance(value, list | tuple)}
    moments = {name: moment(params[name]) for name in ("from", "to") if params.get(name)}
    question = Question(
        tenant=DEFAULT_TENANT,
        since=moments.get("from"),
        until=moments.get("to"),
        by=tuple(word for word in str(params.get("by", "")).split(",") if word),
        filters=filters,
        words={name: str(params[name]) for name in WORDS if name in params},
    )
    with _stores(data) as sources:
        return REPORTS[report](sources, question)


@contextmanager
def _stores(data: Path) -> Iterator[Sources]:
    """What reports may read of a directory that no collector holds. Raises StoreError."""
    if not (data / "ledger.duckdb").exists():
        raise StoreError(f"{data} holds no ledger: start 'loopledger collector --data {data}' or replay something into it")
    with opened(data, remembered_config(data), Replay(), delivers=False) as service:
        yield service.sources()
