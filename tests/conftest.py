"""What every test of the whole product may use."""

import re
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # bodies, collectors and receiver are for tests and for scripts of this folder alike

from collectors import Collector, configure, running
from receiver import Receiver, receiving

settings.register_profile("loopledger", deadline=None)  # how long a test takes depends on who else is at work
settings.load_profile("loopledger")

POLICY = {"name": "loop-month", "per": "loop", "limit_tokens": 1_000_000_000, "window": "month"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector with one policy; whatever the tests of a module do to it, it may never fail inside."""
    place = tmp_path_factory.mktemp("collector")
    with running(place / "data", configure(place / "config", [POLICY])) as collector:
        yield collector
    log = (place / "data.log").read_text()
    assert '"event": "stopped"' in log
    assert not re.search('Traceback|"level": "(error|critical)"', log), log


@pytest.fixture
def client(collector: Collector) -> Iterator[httpx.Client]:
    """A client with the token of the module's collector."""
    with collector.client() as client:
        yield client


@pytest.fixture
def loop(request: pytest.FixtureRequest) -> str:
    """A loop of the test's own, with a budget of its own."""
    return f"{request.node.name} {secrets.token_hex(4)}"
