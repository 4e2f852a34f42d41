"""Whatever is lost, doubled or changed in a ledger breaks a rule that says so."""

from pathlib import Path

import duckdb
import pytest

from analytics.config import Config
from analytics.control import Control
from analytics.ledger import Ledger
from analytics.verification import verified
from ingest.clock import Replay
from ingest.replay import recordings, replay
from ingest.service import opened

SAMPLES = Path(__file__).parents[2] / "sample_traces"


@pytest.fixture
def data(tmp_path) -> Path:
    with opened(tmp_path, Config(), Replay(), delivers=False) as service:
        list(replay(service, recordings([SAMPLES / "strands", SAMPLES / "claude-code-basic-http-json"])))
    return tmp_path


def broken(data: Path) -> list[str]:
    """The rules that do not hold."""
    ledger, control = Ledger(data), Control(data)
    try:
        return [verdict.rule for verdict in verified(ledger, control) if not verdict.holds]
    finally:
        control.close()
        ledger.close()


def test_a_ledger_adds_up(data):
    assert broken(data) == []


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        ("delete from commits where commit_no = 1", "commits are numbered without a gap"),
        ("insert into commits select * from commits where commit_no = 1", "commits are numbered without a gap"),
        ("delete from records where rowid = (select min(rowid) from records)", "every commit holds the records it wrote"),
        ("insert into records select * from records limit 1", "every commit holds the records it wrote"),
        ("delete from charges where rowid = (select max(rowid) from charges)", "every commit holds the charges it wrote"),
        ("update charges set sign = -1 where rowid = (select max(rowid) from charges)", "the charges of a call cancel but for the last"),
        ("insert into charges select * from charges where version = 1 limit 1", "the charges of a call cancel but for the last"),
        ("delete from prices", "every price that was charged is kept"),
        ("delete from records", "no details without their record"),
        ("update evidence set attributes = 'xx'::blob", "all evidence can be read"),
    ],
)
def test_damage_is_named(data, damage, rule):
    with duckdb.connect(data / "ledger.duckdb") as ledger:
        ledger.execute(damage)
    assert rule in broken(data)


def test_a_guard_that_has_seen_what_is_not_there_is_named(data):
    control = Control(data)
    control.apply(1_000_000)
    control.close()
    assert broken(data) == ["the guard is not ahead of the ledger"]
