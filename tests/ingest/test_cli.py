import argparse
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from bodies import SAMPLES, chat, traces
from collectors import configure
from rich.console import Console

from ingest.cli import _parser, main
from ingest.formats import print_table

STRANDS, CONFIG = SAMPLES / "strands", SAMPLES / "config"
COMMANDS = next(action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)).choices
BROKEN = {"policies": [{"name": "cap", "window": "day", "limit_usd": 10.5}, {"name": "cup", "window": "fortnight", "limit_usd": "1"}]}


@pytest.fixture
def said(capfd) -> Callable[..., tuple[int, str, str]]:
    """Runs a command here; (exit code, stdout, stderr)."""

    def _said(*words: object) -> tuple[int, str, str]:
        try:
            code = main([str(word) for word in words])
        except SystemExit as ended:
            code = ended.code
        out, err = capfd.readouterr()
        return code, out, err

    return _said


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A data directory that a replay has filled."""
    data = tmp_path_factory.mktemp("data")
    assert main(["replay", str(STRANDS), "--data", str(data)]) == 0
    return data


@pytest.fixture
def broken(tmp_path) -> Path:
    """A config directory with two mistakes."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "all.yaml").write_text(json.dumps(BROKEN, indent=1))
    return tmp_path


# Help and wrong use


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(said, command):
    code, out, err = said(command, "--help")
    (example,) = [line.strip() for line in out.splitlines() if line.strip().startswith("Example: ")]
    assert (code, err, example.split()[:3]) == (0, "", ["Example:", "loopledger", command])
    assert _parser().parse_args(example.split()[2:]).command.__name__ == command


def test_help_lists_every_command(said):
    _, out, _ = said("--help")
    assert [command for command in COMMANDS if f"\n    {command}" not in out] == []


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("juggle",),
        ("check",),
        ("check", "no/such/directory"),
        ("replay", "no/such/path"),
        ("replay", str(CONFIG)),
        ("report", "horoscope"),
        ("report", "spend", "--by", "colour"),
        ("report", "spend", "--from", "yesterday"),
        ("report", "spend", "--format", "xml"),
        ("report", "run_trace"),
        ("report", "variance", "--from", "2026-11-14"),
        ("report", "variance", "--from", "2026-11-14", "--to", "2026-11-15", "--against", "then"),
        ("doctor", "--accept-loss"),
        ("dashboard",),
        ("collector", "--clock", "cuckoo"),
        ("collector", "--grpc", "127.0.0.1:http"),
        ("collector", "--http", "4318"),
        ("collector", "--http", "127.0.0.1:65536"),
        ("up", "--port", "65536"),
    ],
    ids=" ".join,
)
def test_wrong_use_is_2_with_a_reason_and_no_traceback(said, data, words):
    code, out, err = said(*words, *(("--data", data) if words and words[0] in ("report", "replay", "collector", "up", "doctor") else ()))
    assert (code, out) == (2, "")
    assert err.strip()
    assert "Traceback" not in err


# check


def test_a_valid_directory_is_said_to_be_valid(said, tmp_path):
    config = configure(tmp_path / "config", [{"name": "cap", "limit_usd": "1", "window": "day"}], "http://127.0.0.1:1/hook")
    assert said("check", config) == (0, f"{config} is valid: 1 policies, 0 loops, 1 prices, 0 contracts, 1 channels, 0 owners\n", "")
    assert said("check", CONFIG)[0] == 0


def test_every_mistake_has_its_file_line_and_column(said, broken):
    code, out, err = said("check", broken)
    places = [line.removeprefix("loopledger: ").split(": ", 1)[0] for line in err.splitlines()]
    assert (code, out, places) == (1, "", ["policies/all.yaml:6:4", "policies/all.yaml:10:4"])


# replay

KEYS = [
    "bodies", "records", "stored", "repeated", "revised", "rejected", "calls", "unknown_calls", "unpriced_calls", "cost_usd", "incidents",
    "signals", "first_stop", "refused_runs_simulated",
]  # fmt: skip


def test_a_replay_says_what_it_read_and_what_there_is(said, tmp_path):
    code, out, err = said("replay", STRANDS, "--data", tmp_path, "--json")
    found = json.loads(out)
    assert (code, err, list(found)) == (0, "", KEYS)
    assert (found["bodies"], found["stored"], found["repeated"], found["incidents"], found["first_stop"]) == (
        3,
        found["records"],
        0,
        [],
        None,
    )
    _, out, _ = said("replay", STRANDS, "--data", tmp_path, "--json")
    again = json.loads(out)
    assert again == {**found, "stored": 0, "repeated": found["records"]}


def test_a_replay_under_policies_says_what_they_did(said, tmp_path):
    rule = {"name": "cap", "per": "loop", "limit_usd": "5", "window": "day", "thresholds": [{"percent": 100, "action": "stop"}]}
    config = configure(tmp_path / "config", [rule])
    for number, (tokens, minute) in enumerate([(3000, 0), (4000, 1), (1, 2)]):
        path = tmp_path / "bodies" / f"{number:04d}-traces.pb"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(traces(chat(tokens, ended_at=1_795_000_000 + 60 * minute), run=f"run-{number}", loop="bump"))
    code, out, _ = said("replay", tmp_path / "bodies", "--data", tmp_path / "data", "--config", config, "--json")
    found = json.loads(out)
    assert (code, found["cost_usd"], found["calls"], found["signals"], found["refused_runs_simulated"]) == (0, "7.001000000", 3, 3, 1)
    at = "2026-11-18T11:07:40.000000Z"
    assert found["incidents"] == [
        {"policy": "cap", "scope": "bump", "window": "2026-11-18", "threshold": 100, "crossed_at": at, "spent_usd": "7.000000000"}
    ]
    assert found["first_stop"] == {"at": at, "spent_usd": "7.000000000"}
    _, out, _ = said("replay", tmp_path / "bodies", "--data", tmp_path / "data", "--config", config)
    assert "cap bump 2026-11-18 at 100 %: 7.000000000 USD" in out


def test_a_malformed_body_is_named_and_the_rest_goes_on(said, tmp_path):
    bodies = {"0001-traces.pb": traces(chat()), "0002-traces.pb": b"\xff", "0003-logs.json": b"{", "0004-traces.pb": traces(chat())}
    for name, body in {**bodies, "notes.txt": b"", "5-traces.pb": b""}.items():
        (tmp_path / name).write_bytes(body)
    code, out, err = said("replay", tmp_path, "--data", tmp_path / "data", "--json")
    found = json.loads(out)
    assert (code, found["bodies"], found["stored"]) == (1, 4, 2)
    assert [line.split(": ")[0] for line in err.splitlines()] == [str(tmp_path / "0002-traces.pb"), str(tmp_path / "0003-logs.json")]


def test_a_replay_delivers_no_webhook(said, tmp_path, receiver):
    rule = {"name": "cap", "limit_usd": "0.001", "window": "day", "notify": ["ops"]}
    config = configure(tmp_path / "config", [rule], receiver.url)
    (tmp_path / "0001-traces.pb").write_bytes(traces(chat(1000)))
    code, out, _ = said("replay", tmp_path / "0001-traces.pb", "--data", tmp_path / "data", "--config", config, "--json")
    assert (code, len(json.loads(out)["incidents"]), receiver.hooks) == (0, 2, [])


# report


def test_a_report_is_the_same_in_every_format(data, capsysbinary):
    def printed(form: str) -> bytes:
        main(["report", "usage", "--by", "model", "--data", str(data), "--format", form])
        return capsysbinary.readouterr().out

    rows = json.loads(printed("json"))
    as_text = [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    header, *lines = printed("csv").decode().splitlines()
    assert [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines] == as_text
    parquet = pl.read_parquet(io.BytesIO(printed("parquet")))
    assert parquet.schema["cost_usd"] == pl.Decimal(38, 9)
    assert [{name: "" if value is None else str(value) for name, value in row.items()} for row in parquet.to_dicts()] == as_text
    table = [line.split() for line in printed("table").decode().splitlines()]
    assert table == [list(rows[0]), *[["-" if value == "" else value for value in row.values()] for row in as_text]]


def test_the_rows_of_a_json_report_are_as_documented(said, data):
    _, out, _ = said("report", "usage", "--by", "day,model", "--data", data, "--format", "json")
    row = json.loads(out)[0]
    assert list(row)[:3] == ["day", "model", "calls"]
    assert {type(row[name]) for name in ("calls", "input_tokens", "output_tokens")} == {int}
    assert isinstance(row["cost_usd"], str)


def test_a_report_takes_bounds_and_filters(said, data):
    _, whole, _ = said("report", "spend", "--data", data, "--format", "json")
    day = json.loads(said("report", "spend", "--by", "day", "--data", data, "--format", "json")[1])[0]["day"]
    asked = ("report", "spend", "--data", data, "--format", "json")
    (team,) = {row["team"] for row in json.loads(said(*asked, "--by", "team")[1])}
    assert said(*asked, "--from", day)[1] == said(*asked, "--from", f"{day}T00:00:00Z", "--team", team)[1] == whole
    assert json.loads(said(*asked, "--to", day)[1]) == json.loads(said(*asked, "--team", "nobody", "--team", "none")[1]) == []


def test_why_something_costs_more_is_asked_against_another_start(said, data):
    day = date.fromisoformat(json.loads(said("report", "spend", "--by", "day", "--data", data, "--format", "json")[1])[0]["day"])
    asked = ("report", "variance", "--from", day, "--to", day + timedelta(days=1), "--data", data, "--format", "json")
    (row,) = json.loads(said(*asked, "--against", day - timedelta(days=9))[1])
    assert (row["before_from"], row["state"], row["new_usd"]) == (f"{day - timedelta(days=9)}T00:00:00.000000Z", "new", row["after_usd"])


def test_a_terminal_shows_what_it_has_no_room_for_below_and_breaks_sentences(monkeypatch, capsys):
    monkeypatch.setattr("ingest.formats.console", lambda: Console(width=80, force_terminal=True, color_system=None))
    why = "more of this and less of that " * 5
    print_table(pl.DataFrame({"loop": ["bump"], **{f"effect_{number}_usd": [Decimal(number)] for number in range(9)}, "why": [why]}))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[:4]] == ["loop", "bump"] * 2
    assert " ".join(" ".join(lines[5:]).split()) == f"bump {why.strip()}"
    assert [f"effect_{number}_usd" for number in range(9)] == [word for line in lines for word in line.split() if word.startswith("effect")]


def test_the_data_directory_may_come_from_the_environment(said, data, monkeypatch):
    monkeypatch.setenv("LOOPLEDGER_DATA", str(data))
    assert said("report", "spend")[0] == 0


def test_an_empty_report_says_so(said, data):
    assert said("report", "incidents", "--data", data)[:2] == (0, "no rows\n")


def test_a_config_that_broke_since_is_named(said, tmp_path, data):
    config = configure(tmp_path / "config", [])
    said("replay", STRANDS, "--data", tmp_path / "data", "--config", config)
    (config / "policies" / "all.yaml").write_text("policies: 7\n")
    code, _, err = said("report", "budgets", "--data", tmp_path / "data")
    assert (code, "policies/all.yaml:1:" in err, "Traceback" in err) == (1, True, False)


# doctor


def test_a_doctor_looks_at_everything_and_accepts_a_loss_with_a_reason(said, tmp_path):
    said("replay", STRANDS, "--data", tmp_path)
    _, out, _ = said("doctor", "--data", tmp_path)
    assert {line.split(":")[0][6:] for line in out.splitlines()} == {"versions", "collector", "port", "ledger", "last ingest", "policy"}
    commits = json.loads((tmp_path / "ledger.mark").read_text())["commit_no"]
    (tmp_path / "ledger.mark").write_text(json.dumps({"commit_no": commits + 2}))
    code, out, _ = said("doctor", "--data", tmp_path)
    assert (code, "FAIL  ledger: " in out, "2 are missing" in out) == (1, True, True)
    assert said("report", "spend", "--data", tmp_path)[0] == 3
    assert said("doctor", "--data", tmp_path, "--accept-loss", "--reason", "disk died")[:2] == (
        0,
        "2 missing commits are on record as accepted: disk died\n",
    )
    assert said("report", "spend", "--data", tmp_path)[0] == 0


# The environment: one clear line each


def one_line(code: int, out: str, err: str) -> str:
    """What a command that could not do its work says."""
    assert (code, len(err.splitlines())) == (3, 1), err
    assert err.startswith("loopledger: ")
    return err.removeprefix("loopledger: ").rstrip("\n")


@contextmanager
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_directory_without_a_ledger(said, tmp_path):
    assert "holds no ledger: start 'loopledger collector" in one_line(*said("report", "spend", "--data", tmp_path))


@pytest.mark.parametrize("store", ["ledger.duckdb", "control.sqlite"])
def test_a_store_that_is_none(said, tmp_path, store):
    said("replay", STRANDS, "--data", tmp_path)
    (tmp_path / store).write_bytes(b"not a database" * 1000)
    assert f"{store} cannot be opened: " in one_line(*said("report", "spend", "--data", tmp_path))


@pytest.mark.parametrize(
    "words", [("report", "spend"), ("replay", STRANDS), ("collector", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0")]
)
def test_a_ledger_that_another_process_holds(said, data, words):
    holds = (
        "import sys; from analytics.ledger import Ledger; from pathlib import Path\nledger = Ledger(Path(sys.argv[1])); print(); input()"
    )
    with subprocess.Popen([sys.executable, "-c", holds, data], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        assert "is in use by another process" in one_line(*said(*words, "--data", data))
        other.communicate(b"\n")


@pytest.mark.parametrize(("option", "other"), [("--grpc", "--http"), ("--http", "--grpc")])
def test_a_port_that_is_taken(said, tmp_path, option, other):
    with taken() as port:
        told = one_line(*said("collector", "--data", tmp_path, option, f"127.0.0.1:{port}", other, "127.0.0.1:0"))
    assert f"cannot listen on 127.0.0.1:{port}" in told


def test_a_port_of_the_dashboard_that_is_taken(said, tmp_path):
    with taken() as port:
        assert f"port {port}: it is taken" in one_line(*said("up", "--data", tmp_path, "--port", port))


def test_an_address_that_others_reach(said, tmp_path):
    said = said("collector", "--data", tmp_path, "--grpc", "0.0.0.0:0", "--http", "127.0.0.1:0")
    assert "listens on loopback only" in one_line(*said)


def test_a_data_directory_that_cannot_be_made(said, tmp_path):
    (tmp_path / "file").write_text("")
    assert "file" in one_line(*said("replay", STRANDS, "--data", tmp_path / "file"))


def test_a_collector_with_a_bad_config_names_every_mistake(said, tmp_path, broken):
    code, out, err = said("collector", "--data", tmp_path / "data", "--config", broken, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0")
    assert (code, out, err.splitlines()[0]) == (1, "", "loopledger: the config directory cannot be used:")
    assert [line.split(": ")[0] for line in err.splitlines()[1:]] == ["policies/all.yaml:6:4", "policies/all.yaml:10:4"]
    assert not os.path.exists(tmp_path / "data")


def test_a_stale_collector_file_is_ignored(said, tmp_path):
    said("replay", STRANDS, "--data", tmp_path)
    for left in ('{"pid": 4194303, "http": "http://127.0.0.1:1"}', f'{{"pid": {os.getpid()}, "http": "http://127.0.0.1:1"}}', "[]", ""):
        (tmp_path / "collector.json").write_text(left)
        assert said("report", "spend", "--data", tmp_path)[0] == 0
