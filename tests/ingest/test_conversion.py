"""JSON read beside the collector is the JSON read here, whatever its size and whatever becomes of the process."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Iterator

import pytest
from bodies import chat, traces
from exports import json_of

from analytics.errors import Permanent
from ingest import otlp_json
from ingest.beside import Beside
from ingest.conversion import Converter

SMALL, SOME, LARGE = 10, 100_000, 5_000_000
"""Characters of a note: read where it comes, in a process, and in one that ends then."""


@pytest.fixture(scope="module")
def converter() -> Iterator[Converter]:
    with contextlib.closing(Converter()) as converter:
        yield converter


def body(characters: int) -> bytes:
    return json_of(traces(chat(1), more={"note": "x" * characters}), "traces")


def converted(converter: Converter, given: bytes, signal: str = "traces") -> bytes:
    return asyncio.run(converter(given, signal))


@pytest.mark.parametrize("characters", [SMALL, SOME, LARGE])
def test_a_body_of_any_size_says_the_same(converter, characters):
    given = body(characters)
    assert converted(converter, given) == otlp_json.to_protobuf(given, "traces")


@pytest.mark.parametrize("characters", [SMALL, SOME, LARGE])
def test_a_body_of_any_size_is_refused_with_the_same_words(converter, characters):
    given = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"name": 1, "note": "x" * characters}]}]}]}).encode()
    with pytest.raises(Permanent, match="expected a string") as refused:
        converted(converter, given)
    assert refused.value.field == "resourceSpans[0].scopeSpans[0].spans[0].name"


def test_the_process_for_large_bodies_ends_with_each(converter):
    converted(converter, body(LARGE))
    converted(converter, body(SOME))
    (_, some), (_, large) = converter._lanes
    assert (some.is_started, large.is_started) == (True, False)


def test_a_process_that_was_killed_is_replaced(converter):
    given = body(SOME)
    converted(converter, given)
    (_, some), _ = converter._lanes
    some._process.kill()
    some._process.wait()
    assert converted(converter, given) == otlp_json.to_protobuf(given, "traces")


class Doomed(Beside):
    """Ends with every question."""

    command = (sys.executable, "-c", "import socket, sys; socket.socket(fileno=int(sys.argv[1])).recv(4)")


def test_a_body_that_ends_every_process_is_refused():
    with contextlib.closing(Converter()) as converter:
        thread, _ = converter._lanes[0]
        converter._lanes[0] = thread, Doomed()
        with pytest.raises(Permanent, match="ends the reader"):
            converted(converter, body(SOME))
