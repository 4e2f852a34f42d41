"""Exports of traces as any client sends them, and what they are answered."""

import json

import grpc
import httpx
from bodies import JSON, PROTOBUF, REQUESTS
from google.protobuf.json_format import Parse
from google.rpc.status_pb2 import Status
from messages import encoded
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Refused(Exception):
    """An export that was not answered OK: the code and message of google.rpc.Status."""


def send_grpc(channel: grpc.Channel, body: bytes) -> int:
    """The count of spans that were left out. Raises Refused."""
    try:
        answer = channel.unary_unary(EXPORT)(body, timeout=30)
    except grpc.RpcError as error:
        raise Refused(error.code().value[0], error.details()) from error
    return ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans


def send_http(client: httpx.Client, body: bytes, media: str) -> int:
    """The count of spans that were left out; a protobuf body goes as JSON if the media type says so. Raises Refused."""
    answer = client.post("/v1/traces", content=body if media == PROTOBUF else as_json(body), headers={"content-type": media})
    assert answer.headers["content-type"] == media
    if answer.status_code != 200:
        raise Refused(*status_of(answer))
    kind = ExportTraceServiceResponse
    response = kind.FromString(answer.content) if media == PROTOBUF else Parse(answer.content, kind())
    return response.partial_success.rejected_spans


def status_of(answer: httpx.Response) -> tuple[int, str]:
    """Code and message of an error, in the encoding that it claims."""
    assert 400 <= answer.status_code <= 503
    is_json = answer.headers["content-type"] == JSON
    status = Parse(answer.content, Status()) if is_json else Status.FromString(answer.content)
    return status.code, status.message


def as_json(body: bytes) -> bytes:
    """A request of traces in OTLP/JSON."""
    return json_of(body, "traces")


def json_of(body: bytes, signal: str) -> bytes:
    """A request in OTLP/JSON, whose ids are hex."""
    return json.dumps(encoded(REQUESTS[signal].FromString(body))).encode()
