import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from analytics.config import Config
from ingest.access import AccessError, Credentials, control_token, require_loopback
from ingest.doors import Doors
from ingest.tally import Tally

TOKEN = {"authorization": "Bearer sesame"}
JSON = {"content-type": "application/json"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """A client of an application that answers `inside` to whatever the doors let through."""

    async def inside(request) -> PlainTextResponse:
        return PlainTextResponse("inside")

    (tmp_path / "token").write_text("sesame")
    app = Doors(Starlette(routes=[Route("/{path:path}", inside, methods=["GET", "POST"])]), Credentials(tmp_path, Config()), Tally())
    with TestClient(app, base_url="http://localhost:4318") as client:
        yield client


# Addresses


@pytest.mark.parametrize("address", ["127.0.0.1:4317", "127.8.9.10:0", "localhost:4317", "[::1]:4317"])
def test_loopback_may_be_listened_on(address):
    require_loopback(address)


@pytest.mark.parametrize(
    "address", ["0.0.0.0:4317", "[::]:4317", ":4317", "192.168.1.2:4317", "mint.example:4317", "localhost.mint.example:1"]
)
def test_an_address_that_others_reach_needs_credentials(address):
    with pytest.raises(AccessError, match="listens on loopback only"):
        require_loopback(address)


# The token


def test_the_token_is_made_once_and_is_its_owners_alone(tmp_path):
    token = control_token(tmp_path)
    assert len(token) >= 40
    assert (control_token(tmp_path), stat.S_IMODE((tmp_path / "token").stat().st_mode)) == (token, 0o600)


@pytest.mark.parametrize("left", ["", "\n"])
def test_a_token_file_without_a_token_is_written_again(tmp_path, left):
    """A crash at the first start leaves one; an empty token would open every door."""
    (tmp_path / "token").write_text(left)
    token = control_token(tmp_path)
    assert len(token) >= 40
    assert (control_token(tmp_path), stat.S_IMODE((tmp_path / "token").stat().st_mode)) == (token, 0o600)


# Doors


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        # telemetry and reading need nothing
        ("POST", "/v1/traces", {}, 200),
        ("POST", "/v1/traces", {"host": "collector.mint:4318"}, 200),
        ("POST", "/v1/logs", {"origin": "https://evil.example"}, 200),
        ("GET", "/api/v1/reports", {}, 200),
        ("GET", "/healthz", {}, 200),
        # a page elsewhere whose name was bound to this machine
        ("GET", "/api/v1/reports", {"host": "evil.example"}, 421),
        ("GET", "/api/v1/reports", {"host": "evil.example:4318"}, 421),
        ("GET", "/api/v1/reports", {"host": "localhost.evil.example"}, 421),
        ("GET", "/api/v1/reports", {"host": ""}, 421),
        ("GET", "/api/v1/reports", {"host": "[::1]:4318"}, 200),
        ("GET", "/api/v1/reports", {"host": "127.0.0.1"}, 200),
        ("GET", "/api/v1/reports", {"host": "[broken"}, 421),
        # a page elsewhere that asks
        ("GET", "/api/v1/reports", {"origin": "https://evil.example"}, 403),
        ("GET", "/api/v1/reports", {"origin": "null"}, 403),
        ("GET", "/api/v1/reports", {"origin": "http://localhost:8501"}, 200),
        # control wants the token
        ("GET", "/v1/signals", {}, 401),
        ("GET", "/v1/signals", TOKEN, 200),
        ("GET", "/v1/signals", {"authorization": "bearer sesame"}, 200),
        ("GET", "/v1/signals", {"authorization": "Bearer"}, 401),
        ("GET", "/v1/signals", {"authorization": "Bearer sesam"}, 401),
        ("GET", "/v1/signals", {"authorization": "Basic sesame"}, 401),
        ("GET", "/v1/signals", {"authorization": "Bearer séSame"}, 401),
        ("GET", "/v1/signals", {**TOKEN, "host": "evil.example"}, 421),
        ("POST", "/v1/traces/more", {}, 401),
        ("POST", "/v1/hooks/claude", {}, 401),
        # and JSON
        ("POST", "/v1/signals/s/ack", {**TOKEN, **JSON}, 200),
        ("POST", "/v1/signals/s/ack", {**TOKEN, "content-type": "application/json; charset=utf-8"}, 200),
        ("POST", "/v1/signals/s/ack", {**TOKEN, "content-type": "text/plain"}, 415),
        ("POST", "/v1/signals/s/ack", {**TOKEN, "content-type": "application/x-www-form-urlencoded"}, 415),
    ],
)  # fmt: skip
def test_who_may_pass(client, method, path, headers, status):
    sent = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = client.request(method, path, headers=sent, content=b"{}" if method == "POST" else None)
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert set(answer.json()) == {"type", "status", "code", "title", "detail"}


def test_a_control_request_without_a_body_needs_no_content_type(client):
    assert client.post("/v1/signals/s/ack", headers=TOKEN).status_code == 200
