"""The only seam to the collector: reports over HTTP, as frames. Nothing else in this package knows a URL."""

import json
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import polars as pl
import streamlit as st

MOST_ROWS = 1000
"""As many rows as the read API gives at once."""
_ARROW = "application/vnd.apache.arrow.stream"
_START = "Start it with loopledger up, or draw another one with loopledger dashboard --collector URL."
_ASK = "Make a token there with loopledger token create NAME --scope read, and start the dashboard with it in $LOOPLEDGER_TOKEN."


class CollectorError(Exception):
    """A report that cannot be had. `title` says what, `detail` why or what to do; both are for people."""

    def __init__(self, title: str, detail: str):
        super().__init__(title)
        self.title, self.detail = title, detail


@dataclass(frozen=True, slots=True)
class Answer:
    """A report and what the collector says beside it."""

    rows: pl.DataFrame
    """Money as exact decimals, times in UTC; null means unknown."""
    now: datetime
    """The collector's clock, UTC. It lies in the past while a recording is replayed."""
    commit: int
    coverage: dict[str, int]
    """How much of the totals in its window is known, and what is missing from them: see analytics.reports.coverage."""
    last_record_at: datetime | None
    """End of the latest record of the whole ledger; None when it is empty."""
    next_cursor: str | None
    """Where the next page starts; None on the last one."""


def collector_url() -> str:
    """Where the collector is, without a slash at the end."""
    return os.environ.get("LOOPLEDGER_COLLECTOR", "http://127.0.0.1:4318").rstrip("/")


def report(name: str, **query: str | int | list[str] | None) -> Answer:
    """One report, at most a few seconds old. `query` is what the read API takes; None leaves a word out. Raises CollectorError."""
    said = {word: tuple(value) if isinstance(value, list) else value for word, value in query.items() if value not in (None, [])}
    return _fetched(collector_url(), os.environ.get("LOOPLEDGER_TOKEN", ""), name, tuple(sorted(said.items())))


def commit() -> int | None:
    """How far the ledger is; None while the collector does not answer."""
    try:
        return report("spend").commit
    except CollectorError:
        return None


@st.cache_data(ttl="3s", max_entries=200, show_spinner=False)
def _fetched(url: str, token: str, name: str, query: tuple) -> Answer:
    try:
        response = _client(url, token).get(f"/api/v1/reports/{name}", params=dict(query))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CollectorError(f"The collector at {url} does not answer", f"{error or type(error).__name__}. {_START}") from error
    if response.status_code != 200 or "x-loopledger-now" not in response.headers:
        raise _refused(response)
    coverage = json.loads(response.headers["x-loopledger-coverage"])
    last_record_at = _moment(coverage.pop("last_record_at"))
    return Answer(
        rows=pl.read_ipc_stream(response.content),
        now=_moment(response.headers["x-loopledger-now"]),
        commit=int(response.headers["x-loopledger-commit"]),
        coverage=coverage,
        last_record_at=last_record_at,
        next_cursor=response.headers.get("x-loopledger-next-cursor"),
    )


@st.cache_resource(max_entries=4, show_spinner=False, on_release=httpx.Client.close)
def _client(url: str, token: str) -> httpx.Client:
    headers = {"accept": _ARROW} | ({"authorization": f"Bearer {token}"} if token else {})
    # The collector hangs up after 5 idle seconds; a connection kept longer fails on its next request.
    kept = httpx.Limits(keepalive_expiry=2)
    return httpx.Client(
        base_url=url, headers=headers, verify=_trusted(), limits=kept, timeout=httpx.Timeout(15, connect=3), trust_env=False
    )


def _trusted() -> ssl.SSLContext | bool:
    """The collector's very certificate where that is known, else whoever the system trusts."""
    certificate = os.environ.get("LOOPLEDGER_CERTIFICATE")
    if not certificate:
        return True
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _refused(response: httpx.Response) -> CollectorError:
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    title, detail = problem.get("title") or f"The collector answers {response.status_code}", problem.get("detail") or ""
    is_asked = response.status_code in (401, 403)
    return CollectorError(title, f"{detail[:1].upper()}{detail[1:]}. {_ASK}" if is_asked else detail)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None) if text else None
