"""Log lines: one for an event, none with content, and none again and again."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from analytics.errors import Retryable
from ingest import logs
from ingest.logs import Repeats

SECRET = "sk-canary-0123456789abcdef"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where log lines go; the loggers are as before afterwards."""
    root, stream = logging.getLogger(), io.StringIO()
    before = root.handlers[:], root.level
    root.handlers = []
    yield stream
    root.handlers, root.level = before


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def fail(error: Exception, logger: str = "ingest.pipeline") -> None:
    try:
        raise error
    except Exception:
        logging.getLogger(logger).exception("a commit failed")


def test_a_line_is_one_object_with_time_level_event_and_fields(stream):
    logs.start("json", stream)
    logging.getLogger("ingest.collector").info("serving", extra={"fields": {"grpc": "127.0.0.1:4317"}})
    (line,) = lines(stream)
    assert (line["level"], line["event"], line["grpc"], line["time"][-6:]) == ("info", "serving", "127.0.0.1:4317", "+00:00")


@pytest.mark.parametrize("style", ["json", "text"])
def test_what_an_exception_holds_is_not_told(stream, style):
    logs.start(style, stream)
    fail(ValueError(f"cannot read {SECRET}"))
    logging.getLogger("asyncio").error(f"Task exception was never retrieved\nfuture: <Task exception={SECRET}>")
    logging.getLogger("uvicorn.error").error("odd header %s", SECRET)
    said = stream.getvalue()
    assert len(said.splitlines()) == 3
    assert "ValueError" in said
    assert "test_logs.py" in said
    assert SECRET not in said


def test_what_is_written_for_people_or_by_the_system_is_told(stream):
    logs.start("json", stream)
    fail(Retryable("the store is busy"))
    fail(OSError(28, "No space left on device", SECRET), "ingest.other")
    assert [line["said"] for line in lines(stream)] == ["the store is busy", "No space left on device"]
    assert SECRET not in stream.getvalue()


def test_a_failure_that_repeats_is_told_once_and_counted(stream):
    logs.start("json", stream)
    for _ in range(500):
        fail(ValueError())
    fail(KeyError())
    assert [(line["error"], line.get("repeated")) for line in lines(stream)] == [("ValueError", None), ("KeyError", None)]


def test_what_was_kept_back_is_told_with_the_next_one():
    repeats, told = Repeats(every=0.0), []
    record = logging.LogRecord("ingest", logging.ERROR, "", 0, "failed", (), None)
    repeats._told["ingest", logging.ERROR, "failed", None] = (0.0, 7)
    for _ in range(2):
        assert repeats.filter(record)
        told.append(record.repeated)
    assert told == [7, 0]
