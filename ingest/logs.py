"""What the collector says while it works: one line for each event on stderr, JSON unless somebody looks.

No line holds what a sender sent. Of an exception only its type and the places it went through are told, and its text only where it is
written for people or comes from the operating system. What repeats is counted and told once in a while.
"""

import json
import logging
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import TextIO

from analytics.errors import LoopledgerError

FORMATS = ("json", "text")
_EVERY = 10.0
"""Seconds for which the same event is told once."""
_PLACES = 4
"""Of an exception, innermost last."""
_MOST_EVENTS = 1000
_LONGEST = 120
"""Characters told of another library's line."""


def start(style: str | None = None, stream: TextIO | None = None) -> None:
    """Sends every log line of this process to `stream`, by default stderr: as text to a terminal, else as JSON, unless `style` says
    otherwise."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Json() if (style or ("text" if stream.isatty() else "json")) == "json" else _Text())
    handler.addFilter(Repeats())
    is_json = isinstance(handler.formatter, _Json)
    for other in logging.root.manager.loggerDict.values():  # nobody writes beside it
        if isinstance(other, logging.Logger):
            other.handlers.clear()
            other.propagate = True
    logging.basicConfig(handlers=[handler], level=logging.INFO if is_json else logging.WARNING, force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # its INFO line prints the whole URL, and query strings carry tokens


class Repeats(logging.Filter):
    """Lets the same event through once in ten seconds, with how often it came meanwhile."""

    def __init__(self, every: float = _EVERY):
        super().__init__()
        self._every = every
        self._told: dict[tuple, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        event = (record.name, record.levelno, str(record.msg)[:_LONGEST], record.exc_info and record.exc_info[0])
        since, kept_back = self._told.get(event, (-self._every, 0))
        now = time.monotonic()
        if record.levelno >= logging.WARNING and now - since < self._every:
            self._told[event] = since, kept_back + 1
            return False
        if len(self._told) >= _MOST_EVENTS:
            self._told.clear()
        self._told[event] = now, 0
        record.repeated = kept_back
        return True


def fields_of(record: logging.LogRecord) -> dict:
    """time, level, event, and what is known beside: `repeated` since it was last told, `error`, `said`, `at`."""
    fields = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "event": record.getMessage() if _is_ours(record) else str(record.msg).partition("\n")[0][:_LONGEST],
        "logger": record.name,
    }
    fields |= getattr(record, "fields", {})
    if repeated := getattr(record, "repeated", 0):
        fields["repeated"] = repeated
    return fields | (_of_error(record.exc_info[1]) if record.exc_info and record.exc_info[1] else {})


def _is_ours(record: logging.LogRecord) -> bool:
    """Other libraries' lines may hold anything but in their first words."""
    return record.name.partition(".")[0] in ("ingest", "analytics", "loopledger")


def _of_error(error: BaseException) -> dict:
    places = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    said = {"error": type(error).__name__, "at": places[-_PLACES:]}
    if isinstance(error, LoopledgerError):
        said["said"] = str(error)
    elif isinstance(error, OSError) and error.strerror:
        said["said"] = error.strerror
    return said


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(fields_of(record), ensure_ascii=True)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = fields_of(record)
        head = f"{fields.pop('time')} {fields.pop('level'):<7} {fields.pop('event')}"
        del fields["logger"]
        return " ".join([head, *(f"{name}={value}" for name, value in fields.items())]).replace("\n", " ")
