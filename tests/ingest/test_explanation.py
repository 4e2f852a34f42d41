"""A run explained, over HTTP and on the command line: nested by call, the same through a collector and from the stores."""

import io
import json
import subprocess
from pathlib import Path

import httpx
import polars as pl
import pytest
from bodies import PROTOBUF, SAMPLES, attributes, chat, traces
from collectors import LOOPLEDGER, MODEL, Collector, running

from ingest.cli import main

SUBAGENT = SAMPLES / "claude-code-subagent"
SESSION, TRACE = "7848abe0-5cec-4c0c-8fbf-15847dbc79c5", "7bc6e7bdb54dd9d11966af1f8984239c"
CALLS = 7


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A directory that a replay has filled: each call of one run was seen in a span, a log record and metrics."""
    data = tmp_path_factory.mktemp("explained")
    assert main(["replay", str(SUBAGENT), "--data", str(data)]) == 0
    return data


@pytest.fixture(scope="module")
def explained(data) -> dict:
    """The run as JSON of the command line, from the stores."""
    return json.loads(command("explain", TRACE, "--data", data, "--format", "json"))


def command(*words: object, code: int = 0) -> str:
    """What a command in a process of its own says on stdout; on stderr if it is to fail."""
    done = subprocess.run([*LOOPLEDGER, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stderr if code else done.stdout


def send(collector: Collector, body: bytes) -> None:
    httpx.post(f"{collector.http}/v1/traces", content=body, headers={"content-type": PROTOBUF}).raise_for_status()


def get(collector: Collector, run: str, accept: str = "application/json", **query: str | int) -> httpx.Response:
    return httpx.get(f"{collector.http}/api/v1/runs/{run}/explain", params=query, headers={"accept": accept}, timeout=30)


# On the command line


def test_every_call_has_its_records_the_one_that_counts_first(explained):
    assert (len(explained["calls"]), explained["run"]) == (CALLS, TRACE)
    for call in explained["calls"]:
        assert [(record["signal"], record["counts"], record["reason"]) for record in call["records"]] == [
            ("span", True, "counts"),
            ("log", False, "same request id"),
        ]
        assert len({(record["input_tokens"], record["request_id"]) for record in call["records"]} | {(call["input_tokens"], None)}) == 2
    assert {record["reason"] for record in explained["records"]} == {"repeats calls that count"}
    assert {record["signal"] for record in explained["records"]} == {"point"}


def test_a_price_is_exact_and_costs_what_the_call_costs(explained):
    call = explained["calls"][0]
    assert call["cost_usd"] == "0.079559250"
    assert call["price"]["unit_usd"] == {
        "input": "0.000003", "cache_read": "0.0000003", "cache_write": "0.00000375", "cache_write_1h": "0.000006", "output": "0.000015",
        "reasoning": "0.000015",
    }  # fmt: skip
    assert call["price"]["price_set"].startswith(f"{call['price']['price_book']}:anthropic/claude-sonnet-4-5:")
    assert call["price"]["basis"] == "list"


def test_calls_sum_to_what_the_run_cost(data, explained):
    (run,) = json.loads(command("report", "runs", "--run", TRACE, "--data", data, "--format", "json"))
    assert sum(int(call["cost_usd"].replace(".", "")) for call in explained["calls"]) == int(run["cost_usd"].replace(".", ""))


def test_a_session_is_a_name_of_its_run(data, explained):
    assert json.loads(command("explain", SESSION, "--data", data, "--format", "json")) == {**explained, "run": SESSION}


def test_the_table_names_each_call_its_price_and_its_records(data):
    lines = command("explain", TRACE, "--data", data).splitlines()
    assert lines[0] == f"{TRACE}: {CALLS} calls in 14 records, 0.112228600 USD; 12 more records with usage and of no call"
    assert len(lines) == 2 + CALLS + 14 + 12
    assert "input 3, cache_read 0.3, cache_write 3.75, cache_write_1h 6, output 15, reasoning 15 USD a million, list" in lines[2]
    assert [line.split()[0] for line in lines[3:5]] == ["counts", "-"]
    assert "same request id" in lines[4]


def test_a_run_nobody_knows_is_wrong_use_and_an_empty_directory_is_not(data, tmp_path):
    assert "No record names a run, session, conversation or trace 'nobody'" in command("explain", "nobody", "--data", data, code=2)
    assert "holds no ledger" in command("explain", "nobody", "--data", tmp_path, code=3)


def test_a_run_without_calls_is_known_and_says_so(tmp_path):
    tool = chat(attributes=attributes({"gen_ai.operation.name": "execute_tool"}))
    (tmp_path / "0001-traces.pb").write_bytes(traces(tool, run="idle"))
    command("replay", tmp_path / "0001-traces.pb", "--data", tmp_path / "data")
    assert command("explain", "idle", "--data", tmp_path / "data").startswith("idle: no call, and no record that says usage")


# Over HTTP


def test_a_collector_explains_like_the_stores(data, explained):
    with running(data) as collector:
        answer = get(collector, SESSION).json()
        assert {name: answer[name] for name in ("calls", "records")} == {name: explained[name] for name in ("calls", "records")}
        assert (answer["run"], answer["next_cursor"], answer["coverage"]["calls"]) == (SESSION, None, CALLS)
        assert json.loads(command("explain", TRACE, "--data", data, "--format", "json")) == explained
        assert "nobody" in command("explain", "nobody", "--data", data, code=2)


def test_programs_get_one_row_for_each_call_and_record(collector):
    ids = {"gen_ai.response.id": "r-1"}
    for trace in (b"1", b"2"):
        body = traces(chat(7, trace_id=trace * 16, more=ids), run="twice", more={"service.name": trace.decode()})
        send(collector, body)
    frame = pl.read_ipc_stream(io.BytesIO(get(collector, "twice", "application/vnd.apache.arrow.stream").content))
    assert frame.select("entry", "counts", "reason", "cost_usd").to_dicts()[1] | {"cost_usd": None} == {
        "entry": 0, "counts": False, "reason": "same response id", "cost_usd": None,
    }  # fmt: skip
    assert len(get(collector, "twice", "text/csv").text.splitlines()) == 3
    (call,) = get(collector, "twice").json()["calls"]
    assert (call["model"], call["cost_usd"], call["run"], len(call["records"])) == (MODEL, "0.007000000", "twice", 2)


def test_pages_hold_whole_calls_and_the_command_line_turns_them(collector):
    spans = [chat(number, ended_at=1_795_000_000 + number) for number in range(1, 5)]
    httpx.post(
        f"{collector.http}/v1/traces", content=traces(*spans, run="many/of them"), headers={"content-type": PROTOBUF}
    ).raise_for_status()
    seen, cursor = [], "0"
    while cursor:
        page = get(collector, "many%2Fof%20them", limit=3, cursor=cursor).json()
        seen += [call["input_tokens"] for call in page["calls"]]
        cursor = page["next_cursor"]
    assert seen == [1, 2, 3, 4]
    found = json.loads(command("explain", "many/of them", "--data", collector.data, "--format", "json"))
    assert [call["input_tokens"] for call in found["calls"]] == seen


def test_a_run_nobody_knows_is_a_problem_with_a_code(collector):
    answer = get(collector, "nobody")
    assert (answer.status_code, answer.headers["content-type"], answer.json()["code"]) == (404, "application/problem+json", "no-such-run")
    assert get(collector, "nobody", cursor="x").json()["code"] == "bad-question"


def test_every_answer_says_what_its_total_leaves_out(collector):
    answer = httpx.get(f"{collector.http}/api/v1/reports/spend")
    known = answer.json()["coverage"]
    assert json.loads(answer.headers["x-loopledger-coverage"]) == known
    assert set(known) >= {"calls", "priced_calls", "attributed_calls", "waiting_records", "remainder_tokens", "blind_services"}


def test_the_api_describes_the_runs_too(collector):
    paths = httpx.get(f"{collector.http}/api/v1/openapi.json").json()["paths"]
    assert {"/api/v1/runs/{run}", "/api/v1/runs/{run}/trace", "/api/v1/runs/{run}/explain"} < set(paths)
