"""Real collectors for the dashboard: one without a record, one with recorded runs, some of which crossed a budget."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import streamlit as st
from bodies import PROTOBUF, attributes, chat, traces
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_traces"
POLICIES = """
policies:
  - {name: bump-week, when: {loop: [nightly-dependency-bump]}, per: loop, limit_usd: "4.00", window: week}
  - {name: any-run, limit_usd: "5.00", window: run}
"""
_DEAL = """
contracts:
  - {name: deal, kind: commitment, provider: openai, committed_usd: "9", percent: "10", valid_from: 2026-01-01, valid_to: 2027-01-01}
"""


@contextmanager
def collector(data: Path, *options: str | Path) -> Iterator[str]:
    """The URL of a collector under the replay clock, for as long as the context lasts."""
    ports = ("--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0")
    command = [sys.executable, "-m", "ingest", "collector", "--data", data, *ports, "--clock", "replay", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield next(line.split()[-1] for line in process.stdout if line.startswith("OTLP/HTTP"))
        finally:
            process.terminate()
            process.wait()


@pytest.fixture
def guarded(tmp_path) -> Iterator[str]:
    """A collector that lets nobody in."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "access.yaml").write_text("credentials: []")
    with collector(tmp_path / "data", "--config", tmp_path / "config") as url:
        yield url


def send(url: str, sample: str, bodies: int | None = None, signal: str = "*") -> None:
    """The first bodies of a sample, or of one signal of it, in order, over OTLP/HTTP."""
    with httpx.Client(base_url=url, headers={"content-type": "application/x-protobuf"}) as client:
        for body in sorted((SAMPLES / sample).glob(f"[0-9]*-{signal}.pb"))[:bodies]:
            client.post(f"/v1/{body.stem.partition('-')[2]}", content=body.read_bytes()).raise_for_status()


def post(url: str, body: bytes) -> None:
    """One body of traces, over OTLP/HTTP."""
    httpx.post(f"{url}/v1/traces", content=body, headers={"content-type": PROTOBUF}).raise_for_status()


@pytest.fixture(scope="session")
def empty(tmp_path_factory) -> Iterator[str]:
    """A collector that has seen nothing and has no policies."""
    with collector(tmp_path_factory.mktemp("empty")) as url:
        yield url


@pytest.fixture(scope="session")
def filled(tmp_path_factory) -> Iterator[str]:
    """A collector with 40 runs of the weekend, of which one crossed `bump-week`, and two samples; one call in them has no usage."""
    config = tmp_path_factory.mktemp("config")
    shutil.copytree(SAMPLES / "config", config, dirs_exist_ok=True)
    (config / "policies" / "budgets.yaml").write_text(POLICIES)
    with collector(tmp_path_factory.mktemp("filled"), "--config", config) as url:
        send(url, "weekend", 40)
        send(url, "strands")
        send(url, "langgraph-openinference")
        yield url


@pytest.fixture(scope="session")
def unlimited(tmp_path_factory) -> Iterator[str]:
    """A collector with one sample, the logs alone of another, and no policies."""
    with collector(tmp_path_factory.mktemp("unlimited")) as url:
        send(url, "strands")
        send(url, "claude-code-basic-grpc", signal="logs")
        yield url


@pytest.fixture(scope="session")
def partial(tmp_path_factory) -> Iterator[str]:
    """A collector with one sample, the agents of another whose calls nobody tells of, and a run that lost 20 tokens' worth of calls."""
    trace, end = b"lossy trace id.x", {"ended_at": 1_795_000_000}
    agent = chat(120, trace_id=trace, span_id=b"an agent", more={"gen_ai.operation.name": "invoke_agent"}, **end)
    body = traces(agent, chat(100, trace_id=trace, parent_span_id=b"an agent", **end), run="lossy")
    with collector(tmp_path_factory.mktemp("partial")) as url:
        post(url, body)
        send(url, "strands")
        send(url, "crewai-only")
        yield url


@pytest.fixture(scope="session")
def blind(tmp_path_factory) -> Iterator[str]:
    """A collector with nothing but agents whose calls nobody tells of."""
    with collector(tmp_path_factory.mktemp("blind")) as url:
        send(url, "crewai-only")
        yield url


@pytest.fixture(scope="session")
def complete(tmp_path_factory) -> Iterator[str]:
    """A collector with one call of which everything is known."""
    known = {"gen_ai.request.model": "gpt-5-mini", "gen_ai.provider.name": "openai", "gen_ai.agent.name": "maker"}
    body = traces(chat(100, 10, ended_at=1_795_000_000, more=known), loop="bump", more={"team.id": "mint"})
    with collector(tmp_path_factory.mktemp("complete")) as url:
        post(url, body)
        yield url


@pytest.fixture(scope="session")
def agreed(tmp_path_factory) -> Iterator[str]:
    """A collector whose contract was agreed after some calls had been charged at the list's price."""
    place = tmp_path_factory.mktemp("agreed")
    (place / "config" / "prices").mkdir(parents=True)
    with collector(place / "data", "--config", place / "config") as url:
        send(url, "strands")
    (place / "config" / "prices" / "deal.yaml").write_text(_DEAL)
    with collector(place / "data", "--config", place / "config") as url:
        send(url, "openai-openinference", 4)
        yield url


NOW = 1_795_000_000
"""End of the latest run of `fortnight`, seconds after 1970: 2026-11-18 10:26:40 UTC."""
_DAY = 86_400


def triage(run: int, ended_at: float, model: str, cached: int, failed: bool = False) -> bytes:
    """A run of morning-triage-loop: a maker that asks a model twice, and a checker that asks a small one."""
    trace, root = f"triage {run:9}".encode(), f"root {run:3}".encode()
    status = {"code": 2} if failed else {}
    own = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "fix-drafter", "loopledger.role": "maker"}
    agent = chat(trace_id=trace, span_id=root, ended_at=ended_at, name="invoke_agent", status=status, attributes=attributes(own))
    drafted = {"gen_ai.request.model": model, "gen_ai.usage.cache_read.input_tokens": cached, "loopledger.role": "maker"}
    drafts = [chat(20_000, 900, trace_id=trace, parent_span_id=root, ended_at=ended_at - place, more=drafted) for place in (2, 1)]
    judged = {"gen_ai.request.model": "gpt-5-mini", "loopledger.role": "checker"}
    review = chat(8_000, 300, trace_id=trace, parent_span_id=root, ended_at=ended_at, more=judged)
    return traces(*drafts, review, agent, run=f"triage-{run}", loop="morning-triage-loop", more={"team.id": "platform"})


@pytest.fixture(scope="session")
def fortnight(tmp_path_factory) -> Iterator[str]:
    """A collector with two weeks of a loop: in the second more runs, of which one failed, on a dearer model and with less cache; and a
    loop that is new."""
    with collector(tmp_path_factory.mktemp("fortnight")) as url:
        for run in range(5):
            post(url, triage(run, NOW - (12 - run) * _DAY, "claude-sonnet-4-5", 16_000))
        for run in range(5, 11):
            model = "claude-opus-4-5" if run % 2 else "claude-sonnet-4-5"
            post(url, triage(run, NOW - (10 - run) * _DAY, model, 8_000, failed=run == 7))
        post(url, traces(chat(1_000, 10, ended_at=NOW - 60, more={"gen_ai.request.model": "gpt-5-mini"}), run="new-1", loop="new-loop"))
        yield url


@pytest.fixture(scope="session")
def undeclared(tmp_path_factory) -> Iterator[str]:
    """A collector with a registered loop that used a tool nobody granted it."""
    trace, end = b"deploys trace id", {"ended_at": 1_795_000_000}
    tool = chat(0, trace_id=trace, more={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "deploy"}, **end)
    with collector(tmp_path_factory.mktemp("undeclared"), "--config", SAMPLES / "config") as url:
        post(url, traces(chat(100, 10, trace_id=trace, **end), tool, run="night", loop="nightly-dependency-bump"))
        yield url


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """No answer outlives its test, and no connection stays open."""
    yield
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def visit(monkeypatch) -> Callable[..., AppTest]:
    """Opens a page of the dashboard on a collector, with words of the URL; the default is the overview."""

    def visit(url: str, page: str | None = None, **query: str | list[str]) -> AppTest:
        monkeypatch.setenv("LOOPLEDGER_COLLECTOR", url)
        at = AppTest.from_file(ROOT / "dashboard" / "streamlit_app.py", default_timeout=30)
        at.query_params.update(query)
        if page:
            at.switch_page(f"app_pages/{page}.py")
        return at.run()

    return visit
