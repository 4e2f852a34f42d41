"""Statement 45: what real SDKs export arrives, once, also when the first try is told to come again, or its answer is lost."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from collectors import MODEL, Collector
from frontdoor import FrontDoor, front_door
from grpc import Compression as GrpcCompression
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

THREE = [(3, 3, "0.003000000")]
CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": MODEL,
    "gen_ai.usage.input_tokens": 1,
    "gen_ai.usage.output_tokens": 0,
}
PACKAGES = [
    f"@opentelemetry/{name}@{version}"
    for version, names in {
        "2.12.1": ("sdk-trace-base", "resources"),
        "0.223.1": ("exporter-trace-otlp-http", "exporter-trace-otlp-proto", "exporter-trace-otlp-grpc"),
    }.items()
    for name in names
]
PYTHON: dict[str, Callable[[FrontDoor], SpanExporter]] = {
    "grpc": lambda door: GrpcExporter(f"http://{door.grpc}"),
    "grpc-gzip": lambda door: GrpcExporter(f"http://{door.grpc}", compression=GrpcCompression.Gzip),
    "http/protobuf": lambda door: HttpExporter(f"{door.http}/v1/traces"),
    "http/protobuf-gzip": lambda door: HttpExporter(f"{door.http}/v1/traces", compression=Compression.Gzip),
}
LOST = pytest.mark.parametrize("loses", [False, True], ids=["refused once", "answer lost once"])


@LOST
@pytest.mark.parametrize("exporter", PYTHON.values(), ids=PYTHON)
def test_45_pythons_sdk_arrives_once(collector, loop, exporter, loses):
    with front_door(collector, loses=loses) as door:
        resource = Resource({"service.name": "python", "loopledger.loop": loop, "loopledger.run.id": loop})
        provider = TracerProvider(resource=resource)
        provider.add_span_processor(SimpleSpanProcessor(exporter(door)))
        for _ in range(3):
            with provider.get_tracer("tests").start_as_current_span("chat", attributes=CALL) as span:
                span.add_event("said", {"words": ["a", "b"], "number": 0.5})
        provider.shutdown()
    assert (len(door.came), collector.spent(loop)) == (4, THREE)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where OpenTelemetry's packages for JavaScript are; skips where they cannot be had."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    place = tmp_path_factory.mktemp("packages")
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", place, *PACKAGES]
    if subprocess.run(command, capture_output=True, check=False, cwd=place, stdin=subprocess.DEVNULL, timeout=120).returncode:
        pytest.skip("the packages of OpenTelemetry's SDK for JavaScript cannot be fetched")
    return place / "node_modules"


def javascript(packages: Path, protocol: str, url: str, compression: str, loop: str) -> tuple[int, str]:
    """Exports three calls; exit code and errors."""
    command = ["node", Path(__file__).with_name("exporter.cjs"), protocol, url, compression, loop, MODEL]
    environment = os.environ | {"NODE_PATH": str(packages)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr


@LOST
@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_45_javascripts_sdk_arrives_once(collector: Collector, loop, packages, protocol, compression, loses):
    with front_door(collector, loses=loses) as door:
        assert javascript(packages, protocol, f"{door.http}/v1/traces", compression, loop) == (0, "")
    assert (len(door.came), collector.spent(loop)) == (4, THREE)
    assert {came["content-type"] for came in door.came} == {"application/json" if protocol == "http/json" else "application/x-protobuf"}
    assert {came.get("content-encoding", "none") for came in door.came} == {compression}


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_45_javascripts_sdk_arrives_over_grpc(collector: Collector, loop, packages, compression):
    """Without a first refusal: this exporter gives up at the first one."""
    assert javascript(packages, "grpc", f"http://{collector.grpc}", compression, loop) == (0, "")
    assert collector.spent(loop) == THREE
