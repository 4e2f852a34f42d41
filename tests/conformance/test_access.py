"""Statements 39 and 44: who is let in, and which pages."""

from pathlib import Path

import doors
import httpx
import pytest
from bodies import JSON, PROTOBUF, chat, traces
from collectors import running
from exports import status_of
from google.rpc.code_pb2 import PERMISSION_DENIED, UNAUTHENTICATED


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory):
    """A collector that asks who it is, and its keys."""
    made = doors.keys(tmp_path_factory.mktemp("guarded"))
    with running(made.data, made.config) as collector:
        yield collector, made


@pytest.mark.parametrize("media", [PROTOBUF, JSON])
@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize(
    ("token", "status", "code"), [(None, 401, UNAUTHENTICATED), ("expired", 401, UNAUTHENTICATED), ("only-read", 403, PERMISSION_DENIED)]
)
def test_39_who_may_not_send_is_told_in_the_requests_encoding_before_its_body_is_decompressed(
    guarded, media, encoding, token, status, code
):
    """What comes is no body of that encoding, and is not looked at."""
    collector, made = guarded
    headers = {"content-type": media, "content-encoding": encoding} | ({"authorization": f"Bearer {made.tokens[token]}"} if token else {})
    answer = httpx.post(f"{collector.http}/v1/traces", content=b"neither this nor that", headers=headers)
    assert (answer.status_code, answer.headers["content-type"], "retry-after" in answer.headers) == (status, media, False)
    assert status_of(answer)[0] == code


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/api/v1/reports", "/v1/signals", "/metrics", "/healthz"])
@pytest.mark.parametrize("asks", ["guarded", "open"])
def test_44_no_page_of_another_origin_is_told_that_it_may_read(guarded, collector, path, asks):
    where = guarded[0] if asks == "guarded" else collector
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    for method in ("OPTIONS", "GET", "POST"):
        answer = httpx.request(method, f"{where.http}{path}", headers=headers, content=traces(chat()) if method == "POST" else None)
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_44_a_page_of_a_named_host_may_ask_and_no_other(tmp_path: Path):
    made = doors.keys(tmp_path)
    made.more["origins"] = ["pages.example"]
    made.write()
    headers = {"authorization": f"Bearer {made.tokens['only-read']}"}
    with running(made.data, made.config) as collector:
        asked = {
            origin: httpx.get(f"{collector.http}/api/v1/reports", headers=headers | {"origin": origin}).status_code
            for origin in ("https://pages.example", "https://pages.example:8443", "https://evil.example", "https://pages.example.evil")
        }
    assert list(asked.values()) == [200, 200, 403, 403]
