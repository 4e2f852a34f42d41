"""access.yaml on a running collector: who is let in, for whom, and what one tenant or team can do to another."""

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import doors
import grpc
import httpx
import pytest
from bodies import PROTOBUF, chat, traces
from certificates import Authority
from collectors import LOOPLEDGER, Collector, configure, report, running, start
from doors import Keys
from exports import EXPORT, Refused, send_grpc, send_http
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

STOP = {"name": "stop", "per": "run", "limit_usd": "1", "window": "run", "thresholds": [{"percent": 100, "action": "stop"}]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    keys = doors.keys(tmp_path_factory.mktemp("doors"))
    for tenant in ("acme", "mint"):
        keys.add(tenant, "ingest", "read", "control", tenant=tenant)
    return keys


@pytest.fixture(scope="module")
def guarded(made: Keys) -> Iterator[Collector]:
    with running(made.data, made.config) as collector:
        yield collector


def client_of(collector: Collector, token: str) -> httpx.Client:
    return httpx.Client(base_url=collector.http, headers={"authorization": f"Bearer {token}"}, timeout=30)


def rows(client: httpx.Client, name: str, **query: str) -> list[dict]:
    return client.get(f"/api/v1/reports/{name}", params=query).raise_for_status().json()["rows"]


# Who is let in


def test_every_door_is_closed_to_every_wrong_credential(guarded, made):
    cells = list(doors.walked(guarded, made))
    assert [cell for cell in cells if cell[3] != cell[4]] == []
    assert len({cell[:2] for cell in cells}) == len([one for one in doors.routes() if not doors.is_open(one[1])])
    assert len(cells) > 400


@pytest.mark.parametrize("name", ["authorization", "Authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_good_one_opens_however_its_header_is_written(guarded, made, name, scheme):
    headers = {"content-type": PROTOBUF, name: f"{scheme} {made.tokens['only-ingest']}"}
    assert httpx.post(f"{guarded.http}/v1/traces", content=traces(chat()), headers=headers).status_code == 200
    with grpc.insecure_channel(guarded.grpc) as channel:  # gRPC's names are small letters by definition
        channel.unary_unary(EXPORT)(traces(chat()), metadata=(("authorization", headers[name]),), timeout=30)


def test_health_is_for_everybody_and_the_operators_token_for_everything(guarded):
    assert [httpx.get(f"{guarded.http}{path}").status_code for path in ("/healthz", "/readyz")] == [200, 200]
    with guarded.client() as client:
        assert client.get("/api/v1/reports").status_code == 200
        assert client.post("/v1/backup").status_code == 200


def test_a_body_is_not_read_before_somebody_is_let_in(guarded):
    """Sixty million bytes are promised and none is sent: the answer comes all the same, in the encoding of the request."""
    at = urlsplit(guarded.http)
    for path, status in (("/v1/traces", b"401"), ("/v1/erase", b"401")):
        with socket.create_connection((at.hostname, at.port), timeout=20) as connection:
            head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {PROTOBUF}\r\ncontent-length: 60000000\r\n\r\n"
            connection.sendall(head.encode())
            assert status in connection.recv(4096).split(b"\r\n")[0]


def test_grpc_refuses_without_reading(guarded):
    """The body comes when the call is over, and no earlier."""
    with grpc.insecure_channel(guarded.grpc) as channel:
        never, over = threading.Event(), ExitStack()
        over.callback(never.set)
        with over, pytest.raises(grpc.RpcError) as refused:
            channel.stream_unary(EXPORT)(iter(never.wait, True), timeout=20)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_what_is_made_and_revoked_holds_at_once_and_a_broken_file_changes_nothing(tmp_path):
    keys = Keys(tmp_path / "data", configure(tmp_path / "config", []))
    keys.add("first", "read")
    with running(keys.data, keys.config) as collector:
        assert listed(collector, keys.add("second", "read")) == 200
        keys.revoke("second")
        assert listed(collector, keys.tokens["second"]) == 401
        (keys.config / "access.yaml").write_text("credentials: [")
        assert listed(collector, keys.tokens["first"]) == 200
        (keys.config / "access.yaml").unlink()
        assert listed(collector, keys.tokens["first"]) == 200
        assert httpx.get(f"{collector.http}/api/v1/reports").status_code == 401
    assert "access.yaml" in (tmp_path / "data.log").read_text()


def listed(collector: Collector, token: str) -> int:
    """The status of a question for the list of reports."""
    return httpx.get(f"{collector.http}/api/v1/reports", headers={"authorization": f"Bearer {token}"}).status_code


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "127.0.0.2"])
def test_with_credentials_other_addresses_are_listened_on_and_commands_here_find_them(tmp_path, host):
    keys = Keys(tmp_path / "data", configure(tmp_path / "config", []))
    token = keys.add("one", "ingest", "read")
    collector = start(keys.data, keys.config, "--grpc", f"{host}:0", "--http", f"{host}:0")
    try:
        with grpc.insecure_channel(collector.grpc) as channel:
            channel.unary_unary(EXPORT)(traces(chat(), run="here"), metadata=(("authorization", f"Bearer {token}"),), timeout=30)
        assert listed(collector, token) == 200
        assert [row["run"] for row in report(keys.data, "usage", "--by", "run")] == ["here"]
    finally:
        collector.stop()
    said = (tmp_path / "data.log").read_text()
    assert ("Credentials are asked of everybody: 1" in said, "WITHOUT TLS" in said) == (True, host != "127.0.0.2")


# Whose it is


def test_tenants_share_ids_and_nothing_else(tmp_path):
    """The same spans, response ids and run names under two tenants, through both ports: each counts for itself and stops for itself."""
    keys = Keys(tmp_path / "data", configure(tmp_path / "config", [STOP]))
    tokens = [keys.add(name, "ingest", "read", "control", tenant=name) for name in ("acme", "mint")]
    span = chat(600, more={"gen_ai.response.id": "resp_shared"})
    cheap = chat(10, trace_id=span.trace_id, span_id=span.span_id, more={"gen_ai.response.id": "resp_shared"})
    dear = traces(span, chat(600), run="shared")
    with running(keys.data, keys.config) as collector, grpc.insecure_channel(collector.grpc) as channel, ExitStack() as stack:
        acme, mint = (stack.enter_context(client_of(collector, token)) for token in tokens)
        assert send_http(mint, traces(cheap, run="shared"), PROTOBUF) == 0  # first, so that a shared key would swallow what comes after
        for _ in range(2):
            answer = channel.unary_unary(EXPORT)(dear, metadata=(("authorization", acme.headers["authorization"]),), timeout=30)
            assert ExportTraceServiceResponse.FromString(answer) == ExportTraceServiceResponse()
        spent = [(row["calls"], row["cost_usd"]) for client in (acme, mint) for row in rows(client, "spend")]
        assert spent == [(2, "1.200000000"), (1, "0.010000000")]
        (signal,) = signals(acme)
        assert (signal["action"], signals(mint)) == ("stop", [])
        told = ["x-loopledger-signal" in sent(client, traces(chat(1), run="shared")).headers for client in (acme, mint)]
        assert told == [True, False]
        assert mint.post(f"/v1/signals/{signal['id']}/ack").status_code == 404
        assert acme.post(f"/v1/signals/{signal['id']}/ack").json()["signal"]["state"] == "acknowledged"
        assert [len(client.get("/api/v1/runs/shared/explain").json()["calls"]) for client in (acme, mint)] == [3, 2]


def sent(client: httpx.Client, body: bytes) -> httpx.Response:
    return client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF}).raise_for_status()


def signals(client: httpx.Client) -> list[dict]:
    return client.get("/v1/signals", params={"run_id": "shared"}).json()["signals"]


def test_only_who_may_act_for_others_does(guarded, made):
    with client_of(guarded, made.tokens["acme"]) as acme:
        sent(acme, traces(chat(), run="of acme"))
        assert acme.get("/api/v1/reports", headers={"x-loopledger-tenant": "mint"}).status_code == 403
    with client_of(guarded, made.add("dashboard", "read", "act-as")) as acting:
        seen = {tenant: acting.get("/api/v1/reports/usage?by=run", headers={"x-loopledger-tenant": tenant}) for tenant in ("acme", "mint")}
    assert {tenant: [row["run"] for row in answer.json()["rows"]] for tenant, answer in seen.items()} == {"acme": ["of acme"], "mint": []}


def test_an_administrator_erases_of_his_own_tenant_alone(guarded, made):
    with client_of(guarded, made.add("keeper", "admin", tenant="acme")) as keeper:
        asked = {"user": "u", "who": "keeper", "reason": "asked"}
        assert keeper.post("/v1/erase", json={**asked, "tenant": "mint"}).status_code == 403
        assert keeper.post("/v1/backup").status_code == 403


LOOPS = {"payroll": "mint", "triage": "payments"}


@pytest.fixture(scope="module")
def teams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collector, Keys]]:
    place = tmp_path_factory.mktemp("teams")
    keys = Keys(place / "data", configure(place / "config", []))
    (keys.config / "loops").mkdir()
    for loop, team in LOOPS.items():
        (keys.config / "loops" / f"{loop}.yaml").write_text(json.dumps({"name": loop, "team": team, "owner": "o@example.com"}))
    keys.add("one", "ingest", teams=["payments"])
    keys.add("two", "ingest", teams=["payments", "docs"])
    keys.add("any", "ingest")
    with running(keys.data, keys.config) as collector:
        yield collector, keys


CLAIMS = [
    ("one", {"team.id": "payments"}, "payments", False),
    ("one", {"team.id": "mint"}, "payments", True),
    ("one", {}, "payments", False),
    ("one", {"loopledger.loop": "payroll"}, "payments", True),
    ("one", {"loopledger.loop": "triage"}, "payments", False),
    ("one", {"team.id": "payments", "loopledger.loop": "payroll"}, "payments", True),
    ("two", {"team.id": "docs"}, "docs", False),
    ("two", {"team.id": "mint"}, "unattributed", True),
    ("two", {"loopledger.loop": "payroll"}, "unattributed", True),
    ("two", {"loopledger.loop": "triage"}, "payments", False),
    ("any", {"team.id": "mint"}, "mint", False),
    ("any", {"loopledger.loop": "payroll"}, "mint", False),
]


@pytest.mark.parametrize(("credential", "said", "team", "is_refused"), CLAIMS)
def test_a_team_counts_where_its_credential_allows_it(teams, credential, said, team, is_refused):
    collector, keys = teams
    run = f"{credential} {said}"
    with client_of(collector, keys.tokens[credential]) as client:
        told = ExportTraceServiceResponse.FromString(sent(client, traces(chat(), run=run, more=said)).content).partial_success
    assert ("may not" in told.error_message, told.rejected_spans) == (is_refused, 0)
    with collector.client() as reader:
        assert [row["team"] for row in rows(reader, "usage", by="team", run=run)] == [team]


def test_refused_claims_are_counted_and_stand_in_the_report_on_quality(teams):
    collector, keys = teams
    with client_of(collector, keys.tokens["one"]) as client, collector.client() as reader:
        before = foreign(reader)
        sent(client, traces(chat(), chat(), more={"team.id": "elsewhere"}))
        assert foreign(reader) == before + 2
        found = [row for row in rows(reader, "data_quality") if row["finding"] == "claimed" and row["detail"] == "team elsewhere"]
    assert [(row["severity"], row["records"]) for row in found] == [("warning", 2)]


def foreign(client: httpx.Client) -> int:
    (line,) = (line for line in client.get("/metrics").text.splitlines() if line.startswith('loopledger_foreign_total{signal="traces"}'))
    return int(line.split()[-1])


def test_a_recount_does_not_believe_what_was_refused(tmp_path):
    keys = Keys(tmp_path / "data", configure(tmp_path / "config", []))
    token = keys.add("one", "ingest", teams=["payments"])
    with running(keys.data, keys.config) as collector, client_of(collector, token) as client:
        for said in ({"team.id": "mint"}, {}, {"team.id": "payments"}):
            sent(client, traces(chat(), more=said))
    subprocess.run([*LOOPLEDGER, "recount", "--data", keys.data, "--config", keys.config], check=True, capture_output=True)
    assert [(row["team"], row["calls"]) for row in report(keys.data, "spend", "--by", "team")] == [("payments", 3)]


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def of_tls(authority: Authority, *more: str | Path) -> tuple:
    server = authority.issue("localhost", "DNS:localhost", "IP:127.0.0.1")
    return "--tls-cert", server.certificate, "--tls-key", server.key, *more


def test_both_ports_speak_tls_and_commands_still_find_the_collector(authority, tmp_path):
    keys = Keys(tmp_path / "data", configure(tmp_path / "config", []))
    token = keys.add("one", "ingest", "read")
    collector = start(keys.data, keys.config, *of_tls(authority))
    try:
        trusted = ssl.create_default_context(cafile=str(authority.own.certificate))
        with httpx.Client(base_url=collector.http, verify=trusted, headers={"authorization": f"Bearer {token}"}) as client:
            assert send_http(client, traces(chat(), run="http"), PROTOBUF) == 0
        root = grpc.ssl_channel_credentials(authority.own.certificate.read_bytes())
        with grpc.secure_channel(collector.grpc, root) as channel:
            channel.unary_unary(EXPORT)(traces(chat(), run="grpc"), metadata=(("authorization", f"Bearer {token}"),), timeout=30)
        assert [row["run"] for row in report(keys.data, "usage", "--by", "run")] == ["grpc", "http"]
        with grpc.insecure_channel(collector.grpc) as plain, pytest.raises(Refused):
            send_grpc(plain, traces(chat()))
        with pytest.raises(httpx.HTTPError):
            httpx.get(collector.http.replace("https", "http"))
        old = ssl.create_default_context(cafile=str(authority.own.certificate))
        with pytest.warns(DeprecationWarning, match="deprecated"):
            old.minimum_version, old.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_1
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{collector.http}/healthz", verify=old)
    finally:
        assert collector.stop() == 0


def test_a_client_certificate_is_a_credential(authority, tmp_path):
    keys = Keys(tmp_path / "data", configure(tmp_path / "config", []))
    keys.entries.append({"id": "ci", "certificate": "spiffe://example/ci", "scopes": ["ingest"], "tenant": "acme"})
    keys.entries.append({"id": "named", "certificate": "named-client", "scopes": ["read"], "tenant": "acme"})
    keys.write()
    ci, named, nobody = authority.issue("ci", "URI:spiffe://example/ci"), authority.issue("named-client"), authority.issue("nobody")
    other = Authority(tmp_path, "another").issue("ci", "URI:spiffe://example/ci")
    collector = start(keys.data, keys.config, *of_tls(authority, "--tls-client-ca", authority.own.certificate))
    try:
        assert [posted(collector, authority, pair) for pair in (ci, named, nobody, other, None)] == [200, 403, 401, None, None]
        assert [called(collector, authority, pair) for pair in (ci, named, nobody, other, None)] == [
            "OK", "PERMISSION_DENIED", "UNAUTHENTICATED", "UNAVAILABLE", "UNAVAILABLE",
        ]  # fmt: skip
        with httpx.Client(base_url=collector.http, verify=context(authority, named)) as client:
            assert [row["calls"] for row in rows(client, "usage")] == [2]
    finally:
        assert collector.stop() == 0


def context(authority: Authority, pair) -> ssl.SSLContext:
    trusted = ssl.create_default_context(cafile=str(authority.own.certificate))
    if pair:
        trusted.load_cert_chain(pair.certificate, pair.key)
    return trusted


def posted(collector: Collector, authority: Authority, pair) -> int | None:
    """The status of an export with a client certificate; None when there is no talking."""
    try:
        with httpx.Client(base_url=collector.http, verify=context(authority, pair), timeout=20) as client:
            return client.post("/v1/traces", content=traces(chat()), headers={"content-type": PROTOBUF}).status_code
    except httpx.HTTPError:
        return None


def called(collector: Collector, authority: Authority, pair) -> str:
    own = (pair.key.read_bytes(), pair.certificate.read_bytes()) if pair else (None, None)
    with grpc.secure_channel(collector.grpc, grpc.ssl_channel_credentials(authority.own.certificate.read_bytes(), *own)) as channel:
        try:
            channel.unary_unary(EXPORT)(traces(chat()), timeout=5)
        except grpc.RpcError as error:
            return error.code().name
    return "OK"


def test_half_of_tls_is_told(tmp_path):
    words = ("collector", "--data", tmp_path / "data", "--tls-key", "key.pem")
    done = subprocess.run([*LOOPLEDGER, *words], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "--tls-cert and --tls-key go together" in done.stderr) == (2, True)
