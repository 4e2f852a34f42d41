import base64
import hashlib
import hmac
import re
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import pytest

from ingest.otlp_answer import SIGNAL_HEADER, response, signal_headers
from ingest.pipeline import Answer

KEY = b"sesame"


def signal(**said: Any) -> dict[str, Any]:
    return {"id": "sig_1", "run_id": "run-1", "action": "stop", "epoch": 1, "expires_at": datetime(2026, 11, 17), **said}


def header(**said: Any) -> str:
    ((_, value),) = signal_headers([signal(**said)], KEY)
    return value


def fields(value: str) -> dict[str, str]:
    """A header as a runtime reads it."""
    version, *pairs = value.split(";")
    return {"version": version, **dict(pair.split("=", 1) for pair in pairs)}


def signature(text: str) -> str:
    return base64.urlsafe_b64encode(hmac.new(KEY, text.encode(), hashlib.sha256).digest()).decode().rstrip("=")


# Partial success


@pytest.mark.parametrize(
    ("kind", "field"), [("traces", "rejected_spans"), ("logs", "rejected_log_records"), ("metrics", "rejected_data_points")]
)
def test_what_was_left_out_is_a_partial_success(kind, field):
    told = response(kind, Answer(rejected=3))
    assert getattr(told.partial_success, field) == 3
    assert told.partial_success.error_message == "3 without a valid trace id and span id were left out"


@pytest.mark.parametrize("kind", ["traces", "logs", "metrics"])
def test_full_success_is_an_empty_answer(kind):
    assert response(kind, Answer()).SerializeToString() == b""


# Signals


def test_a_signal_is_one_header():
    assert signal_headers([], KEY) == []
    ((name, value),) = signal_headers([signal()], KEY)
    assert name == SIGNAL_HEADER == "x-loopledger-signal"
    assert re.fullmatch(r"v1;run=run-1;signal=sig_1;action=stop;epoch=1;expires=2026-11-17T00:00:00\+00:00;sig=[\w-]{43}", value)


def test_a_signature_verifies_over_everything_before_it():
    value = header()
    text, _, signed = value.rpartition(";sig=")
    assert signed == signature(text)


@pytest.mark.parametrize("change", [{"run_id": "run-2"}, {"id": "sig_2"}, {"action": "warn"}, {"epoch": 2}, {"expires_at": None}])
def test_nothing_can_be_changed_under_a_signature(change):
    assert fields(header(**change))["sig"] != fields(header())["sig"]


def test_a_signal_that_does_not_expire_says_so():
    assert fields(header(expires_at=None))["expires"] == ""


def test_at_most_eight_go_out_the_first_ones():
    values = signal_headers([signal(id=f"sig_{number}") for number in range(12)], KEY)
    assert [fields(value)["signal"] for _, value in values] == [f"sig_{number}" for number in range(8)]


@pytest.mark.parametrize(
    "run", ["nightly 7", "a;b=c", "50%", "grün", "日本", "line\r\nx-evil: 1", "nul\0", "a,b", "\N{GRINNING FACE}", "tab\there", "%41", ""]
)
def test_a_run_may_be_named_anything(run):
    value = header(run_id=run)
    assert value.isascii()
    assert value.isprintable()
    assert "," not in value  # proxies join headers of one name with commas
    assert (unquote(fields(value)["run"]), len(fields(value))) == (run, 7)
