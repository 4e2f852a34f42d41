"""Who may ask what: hosts, origins, the token, addresses, and questions that make no sense."""

import asyncio
import re
import stat
from pathlib import Path

import httpx
import pytest
from bodies import JSON, PROTOBUF
from collectors import Collector

from analytics.config import Config
from ingest.access import Credentials
from ingest.cli import main
from ingest.clock import Wall
from ingest.collector import _app
from ingest.conversion import Converter
from ingest.gate import Gate
from ingest.health import Health
from ingest.intake import Intake
from ingest.service import opened


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Method and path of every route of the application that a collector serves."""
    place = tmp_path_factory.mktemp("routes")
    with opened(place, Config(), Wall()) as service:
        intake, gate = Intake(service.pipeline), Gate(1, service.pipeline.tally)
        health = Health(service, intake, [gate], [], lambda: True)
        app = _app(service, intake, Converter(), asyncio.Event(), Credentials(place, Config()), b"key", health)
    paths = [(route, re.sub(r"{[^}]*}", "x", route.path)) for route in app.routes]
    return [(method, path) for route, path in paths for method in sorted(route.methods - {"HEAD"})]


def is_otlp(path: str) -> bool:
    return path in ("/v1/traces", "/v1/logs", "/v1/metrics")


def is_control(path: str) -> bool:
    return path.startswith("/v1/") and not is_otlp(path)


def statuses(client: httpx.Client, routes: list[tuple[str, str]], **request) -> set[int]:
    return {client.request(method, path, **request).status_code for method, path in routes}


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.", "169.254.169.254", "evil.example:4318", "[::", ""]
)
def test_a_host_that_is_not_this_machine_is_refused(client: httpx.Client, routes: list, host: str):
    guarded = [(method, path) for method, path in routes if not is_otlp(path)]
    assert statuses(client, guarded, headers={"host": host}) == {421}


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1@evil.example", "file://"]
)
def test_a_page_from_elsewhere_is_refused(client: httpx.Client, routes: list, origin: str):
    guarded = [(method, path) for method, path in routes if not is_otlp(path)]
    assert statuses(client, guarded, headers={"origin": origin}) == {403}


@pytest.mark.parametrize("credential", ["", "Bearer", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x", "Bearer x{token}"])
def test_a_control_route_wants_the_token(collector: Collector, client: httpx.Client, routes: list, credential: str):
    headers = {"authorization": credential.format(token=collector.token)}
    assert statuses(client, [(method, path) for method, path in routes if is_control(path)], headers=headers) == {401}


def test_a_control_route_takes_no_form(client: httpx.Client, routes: list):
    writes = [(method, path) for method, path in routes if is_control(path) and method == "POST"]
    assert len(writes) >= 2
    for media in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""):
        assert statuses(client, writes, content=b"evidence=x", headers={"content-type": media}) == {415}
        assert statuses(client, writes, content=iter([b"evidence=x"]), headers={"content-type": media}) == {415}


def test_telemetry_and_reading_need_no_token_on_loopback(collector: Collector, routes: list):
    opened_routes = [(method, path) for method, path in routes if not is_control(path)]
    with httpx.Client(base_url=collector.http) as nobody:
        assert statuses(nobody, opened_routes, headers={"content-type": PROTOBUF}) == {200, 404, 405}


def test_the_token_is_the_owners_alone_and_in_no_answer(collector: Collector, client: httpx.Client, routes: list):
    assert stat.S_IMODE((collector.data / "token").stat().st_mode) == 0o600
    reading = [path for method, path in routes if method == "GET" and not is_control(path)]
    assert not [path for path in reading if collector.token in client.get(path).text]


SENSELESS = (
    "from=x", "from=9999-12-31T23:59:59-14:00", "to=0001-01-01T00:00:00%2b14:00", "by=x", "by=run,run", "limit=0", "limit=%C2%B2",
    "limit=99999999999999999999", "cursor=-1", "cursor=99999999999999999999", "cursor=x",
)  # fmt: skip


@pytest.mark.parametrize("query", SENSELESS)
def test_a_question_that_makes_no_sense_is_told_so(client: httpx.Client, query: str):
    answer = client.get(f"/api/v1/reports/runs?{query}")
    assert (answer.status_code, answer.headers["content-type"], answer.json()["code"]) == (400, "application/problem+json", "bad-question")


@pytest.mark.parametrize(
    "query", ["run=';drop table charges;--", "team=%00", "by=", "from=0001-01-01", "to=9999-12-31", "loop=&loop=%FF", "x=1"]
)
def test_a_question_about_nothing_is_answered(client: httpx.Client, query: str):
    for name in ("spend", "usage", "runs", "budgets", "incidents", "signals", "inventory"):
        assert client.get(f"/api/v1/reports/{name}?{query}").status_code == 200


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
def test_a_control_body_that_is_no_json_is_told_so(client: httpx.Client, body: bytes):
    answer = client.post("/v1/signals/x/confirm", content=body, headers={"content-type": JSON})
    assert (answer.status_code, answer.json()["code"]) == (400, "not-json")


@pytest.mark.parametrize("option", ["--http", "--grpc"])
@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.org:0"])
def test_an_address_that_others_can_reach_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture, option: str, address: str):
    ports = {"--http": "127.0.0.1:0", "--grpc": "127.0.0.1:0", option: address}
    code = main(["collector", "--data", str(tmp_path / "data"), *(word for pair in ports.items() for word in pair)])
    assert (code, "loopback" in capsys.readouterr().err) == (3, True)
    assert not (tmp_path / "data" / "ledger.duckdb").exists()
