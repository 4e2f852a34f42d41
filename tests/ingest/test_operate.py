"""Changes after the fact from the command line: what moves is told, written once, and seen by the guard."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from bodies import SAMPLES

from analytics.control import Control
from ingest.cli import main

WEEKEND = SAMPLES / "weekend"
RULES = [{"name": "bump", "when": {"agent": "bump-*"}, "set": {"team": "red"}, "override": True}]
SHARED = [{"name": "bump", "when": {"loop": "nightly-*"}, "method": "fixed", "shares": {"red": "33.3", "blue": "66.7"}}]
POLICIES = [{"name": "red", "limit_usd": "1", "window": "month", "when": {"team": ["red"]}}]


@pytest.fixture
def said(capfd) -> Callable[..., tuple[int, str, str]]:
    """Runs a command here; (exit code, stdout, stderr)."""

    def _said(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        out, err = capfd.readouterr()
        return code, out, err

    return _said


@pytest.fixture
def data(tmp_path, capfd) -> Path:
    """A data directory with some of the weekend, and no config."""
    bodies = sorted(WEEKEND.glob("0*"))[:8]
    assert main(["replay", *map(str, bodies), "--data", str(tmp_path / "data")]) == 0
    capfd.readouterr()
    return tmp_path / "data"


@pytest.fixture
def config(tmp_path) -> Path:
    """A config directory with rules, shared costs and a policy."""
    directory = tmp_path / "config"
    (directory / "policies").mkdir(parents=True)
    (directory / "owners.yaml").write_text(json.dumps({"rules": RULES, "shared": SHARED}))
    (directory / "policies" / "red.yaml").write_text(json.dumps({"policies": POLICIES}))
    return directory


def rows(data: Path, sql: str) -> list[tuple]:
    with closing(duckdb.connect(data / "ledger.duckdb", read_only=True)) as ledger:
        return ledger.execute(sql).fetchall()


def incidents(data: Path) -> set[str]:
    with closing(Control(data)) as control:
        return {row["policy"] for row in control.all_incidents() if row["state"] == "open"}


OPERATIONS = "select kind, who, why from operations order by operation"
BY_TEAM = "select team, sum(cost_usd), sum(calls) from charges group by 1 having sum(calls) <> 0 or sum(cost_usd) <> 0 order by 1"
REATTRIBUTE = ("reattribute", "--why", "the bump is red's", "--who", "dana")
ALLOCATE = ("allocate", "--why", "month end", "--who", "dana", "--from", "2026-01-01", "--to", "2027-01-01")


def test_a_rehearsal_tells_what_would_move_and_changes_nothing(said, data, config):
    before = rows(data, BY_TEAM)
    code, out, err = said(*REATTRIBUTE, "--data", data, "--config", config, "--dry-run")
    assert (code, err, rows(data, BY_TEAM), rows(data, OPERATIONS)) == (0, "", before, [])
    assert [line.split()[:2] for line in out.splitlines()[1:3]] == [["team", "red"], ["team", before[0][0] or "unattributed"]]
    assert out.splitlines()[-1] == "re-attribution for default: nothing is written: this is a rehearsal"


def test_a_reattribution_moves_charges_once_and_budgets_follow(said, data, config):
    ((_, total, calls),) = rows(data, BY_TEAM)
    assert incidents(data) == set()
    code, out, err = said(*REATTRIBUTE, "--data", data, "--config", config)
    assert (code, err, out.splitlines()[-1]) == (0, "", "re-attribution for default: written as one operation")
    assert sum(cost for _, cost, _ in rows(data, BY_TEAM)) == total
    assert {team for team, _, _ in rows(data, BY_TEAM)} >= {"red"}
    assert rows(data, OPERATIONS) == [("re-attribution", "dana", "the bump is red's")]
    assert sum(count for _, _, count in rows(data, BY_TEAM)) == calls
    assert incidents(data) == {"red"}
    _, out, _ = said(*REATTRIBUTE, "--data", data, "--config", config)
    assert out == "re-attribution for default: nothing changes, and nothing is written\n"
    assert len(rows(data, OPERATIONS)) == 1


def test_shared_costs_are_split_once(said, data, config):
    ((_, total, _),) = rows(data, BY_TEAM)
    assert said(*ALLOCATE, "--data", data, "--config", config)[0] == 0
    teams = {team: cost for team, cost, _ in rows(data, BY_TEAM)}
    assert (sum(teams.values()), set(teams) >= {"red", "blue"}) == (total, True)
    assert said(*ALLOCATE, "--data", data, "--config", config)[1] == "allocation for default: nothing changes, and nothing is written\n"
    assert rows(data, OPERATIONS) == [("allocation", "dana", "month end")]


def test_a_recount_leaves_shares_and_todays_owners_alone(said, data, config):
    said(*REATTRIBUTE, "--data", data, "--config", config)
    said(*ALLOCATE, "--data", data, "--config", config)
    before = rows(data, BY_TEAM)
    _, out, _ = said("recount", "--data", data, "--config", config)
    assert "0 rows of charges were written" in out
    assert rows(data, BY_TEAM) == before


def test_a_recount_finds_the_attributes_that_todays_rules_ask_for(said, data, tmp_path):
    directory = tmp_path / "asking"
    directory.mkdir()
    ((agent, calls),) = rows(data, "select agent, sum(calls) from charges where agent = 'bump-fixer' group by 1")
    rule = {"name": "it", "when": {"gen_ai.agent.name": agent}, "set": {"environment": "night"}}
    (directory / "owners.yaml").write_text(json.dumps({"rules": [rule]}))
    assert rows(data, "select count(tags) from records") == [(0,)]
    assert said("recount", "--data", data, "--config", directory)[0] == 0
    charged = "select environment, sum(calls) from charges where agent = 'bump-fixer' group by 1 having sum(calls) <> 0"
    assert rows(data, charged) == [("night", calls)]
    assert rows(data, "select distinct tags from records where tags like '%fixer%'") == [('{"gen_ai.agent.name":"bump-fixer"}',)]
    _, out, _ = said("recount", "--data", data, "--config", directory)
    assert "0 would be read otherwise" in out or "0 were read otherwise, 0 rows" in out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((*ALLOCATE[:-1], "2026-11-02T12:00:00"), "by whole days"),
        ((*REATTRIBUTE, "--from", "yesterday"), "neither a date"),
        ((*REATTRIBUTE, "--data", "no/such"), "holds no ledger"),
    ],
)
def test_wrong_use_is_told(said, data, words, reason):
    code, out, err = said(words[0], "--data", data, *words[1:])
    assert (code, out) == (2, "")
    assert reason in err


def test_a_directory_that_a_collector_holds_is_refused(data, tmp_path):
    from collectors import running

    with running(data) as collector:
        assert collector
        told = subprocess.run(
            [sys.executable, "-m", "ingest", *REATTRIBUTE, "--data", str(data)], capture_output=True, text=True, check=False
        )
    assert (told.returncode, "stop it first" in told.stderr) == (3, True)
