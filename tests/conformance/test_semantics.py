"""Statements 34 to 47: what an answer means."""

import re
import resource
import secrets
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from bodies import JSON, PROTOBUF, chat, traces
from collectors import Collector, configure, running
from exports import as_json
from google.rpc.code_pb2 import INVALID_ARGUMENT, UNAVAILABLE
from test_kill import span_ids
from transports import ALL, HTTP, PLAIN, Told, Transport, told


def ways(transports: list[Transport]):
    return pytest.mark.parametrize("way", transports, ids=str)


@ways(ALL)
def test_34_one_bad_span_among_100_is_left_out_alone(collector, loop, way):
    spans = [chat(1) for _ in range(100)]
    spans[41].span_id = b""
    answer = way.export(collector, traces(*spans, run=loop, loop=loop))
    assert (answer.status, answer.rejected) == (200 if way.media else 0, 1)
    assert answer.response.partial_success.error_message == "1 without a valid trace id and span id were left out"
    assert collector.spent(loop) == [(99, 99, "0.099000000")]


@ways(ALL)
def test_35_nothing_but_bad_spans_is_a_success_that_counts_them(collector, loop, way):
    spans = [chat(1, trace_id=b"") for _ in range(3)]
    answer = way.export(collector, traces(*spans, run=loop, loop=loop))
    assert (answer.status, answer.rejected, bool(answer.response.partial_success.error_message)) == (200 if way.media else 0, 3, True)
    assert collector.spent(loop) == []


UNDECODABLE = {"noise": b"\xff" * 9, "no field": b"\x07", "a length beyond the end": b"\x0a\xff\xff\xff\xff\x0f", "other": b"[1]"}


@ways(ALL)
@pytest.mark.parametrize("body", UNDECODABLE.values(), ids=UNDECODABLE)
def test_36_what_cannot_be_decoded_is_400_with_a_bad_request(collector, way, body):
    answer = way.send(collector, body)
    assert (answer.status, answer.error.code) == (400 if way.media else INVALID_ARGUMENT, INVALID_ARGUMENT)
    assert (answer.wrong_fields, bool(answer.error.message), answer.retry_seconds) == (["body"], True, None)


@ways(HTTP)
def test_36_a_bad_value_in_json_is_named(collector, loop, way):
    body = as_json(traces(chat(1), loop=loop)).replace(b'"startTimeUnixNano": ', b'"startTimeUnixNano": [], "x": ')
    answer = way.send(collector, body)
    assert answer.wrong_fields == (["resourceSpans[0].scopeSpans[0].spans[0].startTimeUnixNano"] if way.is_json else ["body"])


def test_37_while_nothing_can_be_stored_the_answer_says_come_again(tmp_path: Path):
    """The collector may write no file beyond what it has, and then again: whatever was refused is sent once more, and is there once."""
    with running(tmp_path / "data", configure(tmp_path / "config", [])) as collector:
        assert all(way.export(collector, traces(chat(1), loop="mint")).ok for way in PLAIN)
        bodies = {way: traces(chat(1), loop="mint") for way in ALL}
        free = resource.prlimit(collector.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        answers = [way.export(collector, body) for way, body in bodies.items()]
        resource.prlimit(collector.process.pid, resource.RLIMIT_FSIZE, free)
        assert [(way.media, told_.status, told_.error.code, told_.retry_seconds) for way, told_ in zip(bodies, answers, strict=True)] == [
            (way.media, 503 if way.media else UNAVAILABLE, UNAVAILABLE, 1.0) for way in bodies
        ]
        assert [answer.headers["retry-after"] for way, answer in zip(bodies, answers, strict=True) if way.media] == ["1"] * 6
        assert all(way.export(collector, body).ok for way, body in bodies.items())
        assert collector.spent("mint") == [(11, 11, "0.011000000")]
    assert len(span_ids(tmp_path / "data")) == 11


WRONG = {
    "no request": (400, {"content": b"\xff"}),
    "another path": (404, {"path": "/v1development/profiles"}),
    "another method": (405, {"method": "PUT"}),
    "too large": (413, {"content": bytes(64 * 1024 * 1024 + 1)}),
    "no gzip": (400, {"content": b"x", "content-encoding": "gzip"}),
    "another encoding": (415, {"content": b"x", "content-encoding": "br"}),
}


@pytest.mark.parametrize("media", [PROTOBUF, JSON])
@pytest.mark.parametrize(("status", "asked"), WRONG.values(), ids=WRONG)
def test_40_an_error_is_a_status_in_the_requests_own_encoding(collector, media, status, asked):
    headers = {"content-type": f"{media}; charset=utf-8", **{name: asked[name] for name in asked if name == "content-encoding"}}
    url, method = f"{collector.http}{asked.get('path', '/v1/traces')}", asked.get("method", "POST")
    answer = httpx.request(method, url, content=asked.get("content", b""), headers=headers, timeout=60)
    assert (answer.status_code, answer.headers["content-type"], bool(told(answer).error.message)) == (status, media, True)


@ways(ALL)
def test_41_what_is_sent_again_is_stored_once_whichever_way_it_comes(collector, loop, way):
    body = traces(chat(1), chat(2), run=loop, loop=loop)
    assert way.export(collector, body).ok
    once = (collector.spent(loop), collector.report("run_trace", run=loop))
    assert [other.export(collector, body).response.ByteSize() for other in ALL] == [0] * len(ALL)
    assert (collector.spent(loop), collector.report("run_trace", run=loop)) == once
    assert once[0] == [(2, 2, "0.003000000")]


@ways(PLAIN)
@pytest.mark.parametrize("first", [0, 1], ids=["fuller first", "emptier first"])
def test_41_other_content_under_the_same_ids_is_a_revision_by_a_rule(collector, loop, way, first):
    """What has ended, then what has usage, then what says more holds, in whatever order they come; it is counted."""
    ids = {"trace_id": secrets.token_bytes(16), "span_id": secrets.token_bytes(8)}
    bodies = [traces(chat(tokens, **ids, more=more), run=loop, loop=loop) for tokens, more in ((5, {"one": "more"}), (3, {}))]
    revised = revisions(collector)
    for body in (bodies[first], bodies[1 - first]):
        assert way.export(collector, body).ok
    assert (collector.spent(loop), revisions(collector)) == ([(1, 1, "0.005000000")], revised + 1)


def revisions(collector: Collector) -> int:
    text = httpx.get(f"{collector.http}/metrics").text
    return sum(int(count) for count in re.findall(r"^loopledger_revised_total(?:{.*})? (\d+)", text, re.MULTILINE))


@ways(PLAIN)
def test_42_spans_in_any_order_give_the_same_runs_and_sums(collector, loop, way):
    """A tree of an agent, a step and two calls, whose parents come last, or never for one of them."""
    shown = []
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        run = f"{loop} {order}"
        for place in order:
            assert way.export(collector, traces(tree(run)[place], run=run, loop=run)).ok
        steps = collector.report("run_trace", run=run)
        shown.append(
            (collector.spent(run), sorted((step["name"], step["cost_usd"]) for step in steps), len(collector.report("runs", run=run)))
        )
    assert shown == [shown[0]] * 3
    assert (shown[0][0], shown[0][2]) == ([(2, 2, "0.003000000")], 1)


def tree(run: str) -> list:
    """An agent whose parent never comes, a tool within it, and calls within either; always the same for a run."""
    ids = [f"{place}{run}".encode().rjust(8, b"-")[-7:] + bytes((place,)) for place in range(4)]
    own = {"trace_id": run.encode().rjust(16, b"-")[-16:], "ended_at": 1_795_000_000}
    agent = chat(0, span_id=ids[0], parent_span_id=b"nowhere.", name="agent", more={"gen_ai.operation.name": "invoke_agent"}, **own)
    del agent.attributes[2:]
    tool = chat(0, span_id=ids[1], parent_span_id=ids[0], name="tool", more={"gen_ai.operation.name": "execute_tool"}, **own)
    del tool.attributes[2:]
    return [agent, tool, *(chat(place - 1, span_id=ids[place], parent_span_id=ids[place - 2], **own) for place in (2, 3))]


TIMES = {"1970": 1, "2200": 7_258_118_400 * 10**9, "2^63 - 1": 2**63 - 1, "2^63": 2**63, "2^64 - 1": 2**64 - 1, "none": 0}


@ways(PLAIN)
@pytest.mark.parametrize("start", TIMES.values(), ids=TIMES)
def test_43_an_absurd_time_moves_no_spend_out_of_its_window(collector, loop, way, start):
    """Ends before starts among them: the end counts, and one that is still to be is now."""
    spans = [chat(1, start_time_unix_nano=start, end_time_unix_nano=end) for end in TIMES.values()]
    assert way.export(collector, traces(*spans, chat(1), run=loop, loop=loop)).ok
    assert collector.spent(loop) == [(7, 7, "0.007000000")]
    now = datetime.fromisoformat(httpx.get(f"{collector.http}/api/v1/reports/spend").json()["now"])
    assert {row["day"] for row in collector.report("spend", by="day", loop=loop)} == {f"{now:%Y-%m-%d}", "1970-01-01"}


def warning(answer: Told) -> tuple[int, str]:
    return answer.rejected, answer.response.partial_success.error_message


@ways(ALL)
def test_46_a_model_without_a_price_is_told_and_nothing_is_left_out(collector, loop, way):
    model = f"unheard-of-{secrets.token_hex(4)}"
    strange = traces(chat(1, more={"gen_ai.request.model": model}), chat(1), run=loop, loop=loop)
    assert warning(way.export(collector, strange)) == (0, f"no price is known for {model}: these calls are counted without cost")
    assert way.export(collector, traces(chat(1), run=loop, loop=loop)).response.ByteSize() == 0
    assert collector.spent(loop) == [(3, 3, "0.002000000")]


@ways(PLAIN)
def test_46_both_are_told_where_both_happen(collector, loop, way):
    model = f"unheard-of-{secrets.token_hex(4)}"
    spans = [chat(1, trace_id=b""), chat(1, more={"gen_ai.request.model": model})]
    count, text = warning(way.export(collector, traces(*spans, loop=loop)))
    assert count == 1
    assert re.search("without a valid trace id.*; no price is known", text)
