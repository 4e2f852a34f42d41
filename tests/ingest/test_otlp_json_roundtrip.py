"""OTLP/JSON against the official message classes: random messages of every signal, and every recorded body."""

import base64
import json
from pathlib import Path

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from messages import encoded, of_message

from ingest.otlp_json import REQUESTS, to_protobuf

SAMPLES = Path(__file__).parents[2] / "sample_traces"
RECORDED = sorted(SAMPLES.glob("*/[0-9]*.json"))
SIGNALS = sorted(REQUESTS)


@pytest.mark.parametrize("signal", SIGNALS)
@given(data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_message_survives_the_way_through_json(signal, data):
    message = REQUESTS[signal](**data.draw(of_message(REQUESTS[signal].DESCRIPTOR)))
    assert to_protobuf(json.dumps(encoded(message)).encode(), signal) == message.SerializeToString()


def with_base64_ids(value):
    """The same document as protobuf's own JSON reader wants it: ids as base64."""
    if isinstance(value, list):
        return [with_base64_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    ids = ("traceId", "spanId", "parentSpanId")
    return {k: base64.b64encode(bytes.fromhex(v)).decode() if k in ids else with_base64_ids(v) for k, v in value.items()}


@pytest.mark.parametrize("body", RECORDED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_recorded_body_reads_as_protobufs_own_reader_reads_it_with_repaired_ids(body):
    signal = body.stem.partition("-")[2]
    expected = json_format.ParseDict(with_base64_ids(json.loads(body.read_bytes())), REQUESTS[signal](), ignore_unknown_fields=True)
    assert expected.ByteSize() > 0
    assert REQUESTS[signal].FromString(to_protobuf(body.read_bytes(), signal)) == expected


def test_the_samples_hold_json_of_every_signal():
    assert {path.stem.partition("-")[2] for path in RECORDED} == set(SIGNALS)
