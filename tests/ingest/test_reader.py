"""The reader process against reading here, and what becomes of requests when it is killed."""

import contextlib
import os
import sys
from datetime import datetime

import httpx
import psutil
import pytest
from bodies import chat, traces
from captures import SAMPLES
from collectors import start
from exports import send_http

from analytics.config import Config
from analytics.errors import Permanent
from analytics.keyed import Keyed
from ingest import records
from ingest.clock import Replay, Still
from ingest.pipeline import Answer, Request
from ingest.reader import Reader, UnreadableError
from ingest.redact import Redaction
from ingest.replay import recordings
from ingest.service import opened

CLOCK = Still(datetime(2026, 11, 26), datetime(2026, 11, 26))
REDACTION = Redaction(Keyed(b"k" * 32))
_BIG = "x" * 100_000
"""Makes a body one that is not read where it comes."""


@pytest.fixture(scope="module")
def reader():
    with contextlib.closing(Reader()) as reader:
        yield reader


def bodies_of(signal: str) -> list[bytes]:
    return [one.protobuf() for one in recordings([SAMPLES]) if one.signal == signal][:200]


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_another_process_reads_the_same(reader, signal):
    bodies = bodies_of(signal)
    there, here = reader(bodies, signal, CLOCK, REDACTION), records.read(bodies, signal, CLOCK, REDACTION)
    assert there.records.equals(here.records)
    assert there.records.schema == here.records.schema
    assert there.evidence.equals(here.evidence)
    assert there.rejected.tolist() == here.rejected.tolist()


def test_what_is_refused_here_is_refused_there_with_the_same_words(reader):
    with pytest.raises(ValueError) as here:
        records.read([b"\xff" * 9], "traces", CLOCK, REDACTION)
    with pytest.raises(ValueError) as there:
        reader([b"\xff" * 9], "traces", CLOCK, REDACTION)
    assert str(there.value) == str(here.value)


def test_a_reader_that_was_killed_is_replaced(reader):
    body = traces(chat())
    for _ in range(3):
        reader._process.kill()
        reader._process.wait()
        assert reader([body], "traces", CLOCK, REDACTION).records.height == 1


class Doomed(Reader):
    """Ends with every question."""

    command = (sys.executable, "-c", "import socket, sys; socket.socket(fileno=int(sys.argv[1])).recv(4)")


def test_bodies_that_end_every_reader_are_refused_one_by_one(tmp_path):
    requests = [Request(traces(chat(), run=name), "traces", "default") for name in ("a", "b")]
    with contextlib.closing(Doomed()) as doomed:
        with pytest.raises(UnreadableError):
            doomed([requests[0].body], "traces", CLOCK, REDACTION)
        with opened(tmp_path, Config(), Replay(), read=_unless_bad(doomed, requests[0].body)) as service:
            answers = service.pipeline.commit(service.pipeline.decode(requests))
    assert isinstance(answers[requests[0]], Permanent)
    assert isinstance(answers[requests[1]], Answer)


def _unless_bad(doomed: Reader, bad: bytes):
    """Reading that ends with one body and does well with all others."""
    return lambda bodies, *given: (doomed if bad in bodies else records.read)(bodies, *given)


def test_a_collector_goes_on_when_its_reader_is_killed_and_takes_it_along_when_killed_itself(tmp_path):
    collector = start(tmp_path / "data")
    try:
        process = psutil.Process(collector.process.pid)
        with collector.client() as client:
            send(client, "small")
            assert process.children() == []
            send(client, "first", _BIG)
            (reader,) = process.children()
            send(client, "second", _BIG)
            reader.kill()
            send(client, "after", _BIG)
        assert [row["run"] for row in collector.report("usage", by="run")] == ["after", "first", "second", "small"]
        (replaced,) = process.children()
        assert replaced != reader
    finally:
        collector.kill()
    assert psutil.wait_procs([replaced], timeout=20)[1] == []


def send(client: httpx.Client, run: str, note: str = "") -> None:
    assert send_http(client, traces(chat(), run=run, more={"note": note}), "application/x-protobuf") == 0


def test_a_reader_without_a_collector_ends():
    reader = Reader()
    reader.start()
    reader._connection.close()
    assert reader._process.wait(20) == 0


def test_an_interrupt_from_the_keyboard_is_for_its_collector(reader):
    reader.start()
    assert os.getpgid(reader._process.pid) == reader._process.pid
