"""What is too much to be kept as evidence is counted from all the same, and its sender is told."""

import httpx
import pytest
from bodies import chat, traces
from collectors import Collector, configure, running
from transports import PLAIN

from analytics.config import CollectorLimits
from analytics.keyed import Keyed
from ingest.clock import Wall
from ingest.keep import Keep
from ingest.records import Arrivals, read
from ingest.redact import Redaction

MANY = {f"key.{number}": number for number in range(300)}


def arrived(*bodies: bytes, keeps_content: bool = False, **limits: int) -> Arrivals:
    keep = Keep.of(CollectorLimits.model_construct(**limits))
    return read(bodies, "traces", Wall(), Redaction(Keyed(b"k" * 32), keeps_content, keep))


def kept(arrivals: Arrivals) -> dict:
    """Texts and numbers of the evidence, by key."""
    rows = arrivals.evidence.to_pylist()
    return {row["key"]: row["string_value"] if row["int_value"] is None else row["int_value"] for row in rows}


def test_of_too_many_attributes_the_first_are_kept_and_all_are_read():
    late = {**MANY, "gen_ai.response.id": "resp-1"}
    arrivals = arrived(traces(chat(7)), traces(chat(7, more=late)), attributes_per_record=100)
    assert (arrivals.cut.bodies.tolist(), arrivals.cut.by_limit) == ([0, 4 + 301 - 100], {"attributes_per_record": 205})
    assert arrivals.records["response_id"].to_list() == [None, "resp-1"]
    assert "key.95" in kept(arrivals)
    assert "key.96" not in kept(arrivals)


def test_of_too_many_keys_the_first_are_kept():
    arrivals = arrived(traces(chat(7, more=MANY)), attribute_keys=100)
    assert len(kept(arrivals)) == 100
    assert arrivals.cut.by_limit["attribute_keys"] == arrivals.cut.bodies.sum() > 200
    assert arrivals.records["input_uncached_tokens"].to_list() == [7]


@pytest.mark.parametrize(
    ("text", "left"), [("x" * 100, "x" * 64), ("ü" * 50, "ü" * 32), ("x" + "ü" * 50, "x" + "ü" * 31), ("x" * 64, "x" * 64)]
)
def test_a_long_value_is_cut_between_two_characters(text: str, left: str):
    arrivals = arrived(traces(chat(1, more={"gen_ai.prompt": text, "deep": ["y" * 90]})), keeps_content=True, attribute_bytes=64)
    assert (kept(arrivals)["gen_ai.prompt"], kept(arrivals)["deep"]) == (left, None)
    assert arrivals.cut.by_limit["attribute_bytes"] == 1 + (text != left)


def test_nothing_is_cut_where_nothing_is_too_much():
    arrivals = arrived(traces(chat(1)))
    assert (arrivals.cut.by_limit, arrivals.cut.bodies.tolist()) == ({}, [0])


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory):
    place = tmp_path_factory.mktemp("narrow")
    config = configure(place / "config", [])
    (config / "limits.yaml").write_text("attributes_per_record: 100\n")
    with running(place / "data", config) as collector:
        yield collector


@pytest.mark.parametrize("way", PLAIN, ids=str)
def test_a_sender_is_told_and_the_limit_is_counted(narrow: Collector, way, loop: str):
    before = bitten(narrow)
    answer = way.export(narrow, traces(chat(5, more=MANY), run=loop, loop=loop))
    assert answer.rejected == 0
    assert "204 attributes were counted from" in answer.response.partial_success.error_message
    assert bitten(narrow) == before + 204
    assert narrow.spent(loop) == [(1, 1, "0.005000000")]


def bitten(collector: Collector) -> int:
    lines = httpx.get(f"{collector.http}/metrics").text.splitlines()
    return sum(int(line.rpartition(" ")[2]) for line in lines if line.startswith('loopledger_limited_total{limit="attributes_per_record"}'))
