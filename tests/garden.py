"""Canary secrets, each once in one place: what every dialect calls content, and whatever else OTLP can carry."""

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bodies import REQUESTS, any_value, attributes, chat, traces
from collectors import MODEL
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ingest.dialects import DIALECTS
from ingest.dialects.dialect import Dialect

SECOND = 10**9
FORMS: dict[str, Callable[[str], Any]] = {
    "text": lambda word: word,
    "prose": lambda word: f"please read all of this and tell the whole team what {word} says about tomorrow",
    "lines": lambda word: f"first\n{word}",
    "long": lambda word: f"{word} {'and so on ' * 80}",
    "bytes": lambda word: word.encode(),
    "list": lambda word: ["said", word],
    "messages": lambda word: [{"role": "user", "parts": [{"type": "text", "content": word}]}],
    "JSON": lambda word: json.dumps([{"role": "user", "content": word}]),
    "JSON in JSON": lambda word: json.dumps({"body": json.dumps({"content": word})}),
    "Python": lambda word: repr({"arguments": {"path": word}}),
    "API key": lambda word: f"sk-{word}",
    "API key in a text": lambda word: f"use sk-{word} here",
    "bearer": lambda word: f"Authorization: Bearer {word}",
    "basic": lambda word: f"Basic {word}",
    "user in a URL": lambda word: f"https://ada:{word}@mint.test/v1",
    "token in a URL": lambda word: f"https://mint.test/v1?alt=sse&access_token={word}",
    "signature in a URL": lambda word: f"https://store.test/object?X-Amz-Signature={word}",
    "connection string": lambda word: f"postgres://ada:{word}@db.test/mint",
    "option": lambda word: f"deploy --api-key {word}",
    "option with =": lambda word: f"deploy --token={word}",
    "assignment": lambda word: f"OPENAI_API_KEY={word} make",
    "options": lambda word: ["deploy", "--api-key", word],
    "key in a map": lambda word: {"headers": {"x-api-key": word}},
    "key in JSON": lambda word: json.dumps({"api_key": word}),
    "private key": lambda word: f"-----BEGIN RSA PRIVATE KEY-----{word}",
    "web token": lambda word: f"eyJhbGciOiJIUzI1NiJ9.{word}.{word}",
}
CREDENTIALS = tuple(list(FORMS)[list(FORMS).index("API key") :])
EVERYWHERE = ("prose", "lines", "long", *CREDENTIALS)
"""Forms that may stand under no key and in no name."""

CONTENT: dict[str, tuple[str, ...]] = {
    "claude_code": (
        "user_prompt", "prompt", "response", "tool_input", "tool_parameters", "tool_result", "new_context", "system_prompt",
        "full_command",
        "bash_command", "body", "error", "error_message", "description", "user_system_prompt_preview", "hook_command",
    ),
    "codex": ("prompt", "arguments", "output", "call.arguments", "error.message", "message", "user_input", "last_assistant_message"),
    "gemini_cli": (
        "prompt", "request_text", "response_text", "function_args", "error", "error_msg", "error.message", "reasoning",
        "system_instructions",
        "content", "arguments",
    ),
    "copilot": (
        "copilot_chat.user_request", "copilot_chat.reasoning_content", "github.copilot.message", "github.copilot.tool.parameters",
        "github.copilot.hook.input", "gen_ai.input.messages", "gen_ai.tool.call.arguments",
    ),
    "cursor": ("cursor.prompt.text", "cursor.response.text", "cursor.tool.input", "cursor.tool.output", "cursor.command", "cursor.error"),
    "openclaw": (
        "openclaw.content.input_messages", "openclaw.content.output_messages", "openclaw.content.tool_input",
        "openclaw.content.tool_output",
        "openclaw.content.system_prompt", "openclaw.error",
    ),
    "opencode": ("ai.prompt", "ai.response.text", "ai.toolCall.args", "ai.toolCall.result"),
    "anthropic_sdk": ("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "anthropic.request.system"),
    "pydantic_ai": (
        "all_messages_json", "pydantic_ai.all_messages", "pydantic_ai.new_messages", "tool_arguments", "tool_response", "final_result",
        "events",
        "model_request_parameters", "system_instructions",
    ),
    "google_adk": (
        "gcp.vertex.agent.llm_request", "gcp.vertex.agent.llm_response", "gcp.vertex.agent.tool_call_args",
        "gcp.vertex.agent.tool_response",
        "gcp.vertex.agent.data",
    ),
    "strands": ("gen_ai.prompt", "gen_ai.completion", "system_prompt", "tool.result", "gen_ai.event.content", "gen_ai.choice"),
    "agent_framework": ("gen_ai.input.messages", "message.content", "workflow.definition", "workflow.input", "workflow.output"),
    "mastra": ("input", "output", "mastra.span.input", "mastra.span.output", "mastra.instructions", "gen_ai.tool.call.result"),
    "vercel_ai": (
        "ai.prompt", "ai.prompt.messages", "ai.prompt.tools", "ai.response.text", "ai.response.reasoning", "ai.response.toolCalls",
        "ai.value",
        "ai.response.object", "ai.response.files", "ai.toolCall.args", "ai.toolCall.result", "ai.schema", "ai.schema.description",
        "ai.values",
    ),
    "litellm": (
        "llm.openai.messages", "llm.openai.choices", "llm.anthropic.system", "llm.anthropic.messages", "llm.openai.tools",
        "metadata.requester_metadata.prompt", "gen_ai.request.messages", "gen_ai.prompt.0.content", "gen_ai.completion.0.content",
    ),
    "logfire": ("request_data", "response_data", "logfire.msg", "logfire.json_schema"),
    "mlflow": ("mlflow.spanInputs", "mlflow.spanOutputs", "mlflow.chat.messages", "mlflow.chat.tools", "mlflow.traceInputs"),
    "langfuse": (
        "langfuse.observation.input", "langfuse.observation.output", "langfuse.trace.input", "langfuse.trace.output",
        "langfuse.observation.status_message", "langfuse.observation.model.parameters",
    ),
    "langsmith": ("gen_ai.prompt", "gen_ai.completion", "inputs", "outputs", "gen_ai.serialized.doc", "langsmith.metadata.prompt"),
    "smolagents": ("input.value", "output.value", "smolagents.task", "smolagents.additional_args"),
    "openinference": (
        "input.value", "output.value", "llm.input_messages.0.message.content", "llm.output_messages.0.message.content",
        "llm.input_messages.0.message.contents.0.message_content.text", "llm.prompts.0", "llm.prompt_template.template",
        "llm.input_messages.0.message.contents.0.message_content.image.image.url", "llm.prompt_template.variables", "reranker.query",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments", "llm.invocation_parameters", "tool.parameters",
        "tool.description", "tool.json_schema", "retrieval.documents.0.document.content", "retrieval.documents.0.document.metadata",
        "reranker.input_documents.0.document.content", "embedding.embeddings.0.embedding.text", "llm.tools.0.tool.json_schema",
        "llm.function_call", "audio.transcript",
    ),
    "crewai": (
        "crew_agents", "crew_tasks", "crew_inputs", "formatted_description", "formatted_expected_output", "output",
        "crewai.task.description",
        "crewai.agent.goal", "crewai.agent.backstory", "task_output",
    ),
    "traceloop": (
        "traceloop.entity.input", "traceloop.entity.output", "gen_ai.prompt.0.content", "gen_ai.completion.0.content",
        "llm.request.functions.0.arguments", "llm.request.functions.0.parameters", "llm.request.functions.0.description",
        "traceloop.prompt.template", "traceloop.prompt.template_variables",
    ),
    "gen_ai": (
        "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result", "gen_ai.tool.definitions", "gen_ai.tool.description", "gen_ai.prompt", "gen_ai.completion",
        "gen_ai.retrieval.query.text", "gen_ai.retrieval.documents", "gen_ai.evaluation.explanation", "gen_ai.agent.description",
        "gen_ai.memory.content", "gen_ai.reasoning.content",
    ),
    "plain": (
        "db.statement", "db.query.text", "http.request.body", "http.response.body", "messaging.message.body", "exception.message",
        "url.query",
        "exception.stacktrace", "error.message", "process.command_line", "process.command_args", "code.stacktrace", "log.body", "stdout",
    ),
}  # fmt: skip
"""What each dialect calls prompts, answers, instructions, arguments, results and messages, as its runtime documents it or as recorded."""
CONTENT_FORMS = ("text", "messages", "JSON", "list", "bytes", "prose", "API key")
DOORS = (
    "http.request.header.authorization", "http.request.header.cookie", "http.response.header.set-cookie", "http.request.header.x-api-key",
    "rpc.grpc.request.metadata.authorization", "Authorization", "api_key", "OPENAI_API_KEY", "db.password", "aws.secret_access_key",
    "token",
    "client_secret", "session.token", "tls.private_key",
)  # fmt: skip
NAMED = (
    "user.id", "user.email", "session.id", "gen_ai.agent.name", "gen_ai.tool.name", "gen_ai.conversation.id", "error.type", "team.id",
    "gen_ai.response.id", "gen_ai.response.model", "loopledger.role", "loopledger.run.parent", "service.version",
)  # fmt: skip
"""Attributes that become columns, whose values are names."""


@dataclass(frozen=True)
class Canary:
    """A word that may be found nowhere, and where it was put."""

    word: str
    field: str
    form: str

    @property
    def value(self) -> Any:
        return FORMS[self.form](self.word)


@dataclass
class Garden:
    """Canaries and the requests they are in."""

    loop: str
    canaries: list[Canary] = field(default_factory=list)
    forms: tuple[str, ...] = CONTENT_FORMS
    """In which content comes."""

    def plant(self, place: str, form: str) -> Any:
        """The value of a new canary."""
        canary = Canary(f"canary{secrets.token_hex(6)}", place, form)
        self.canaries.append(canary)
        return canary.value

    def call(self, **fields: Any) -> Span:
        """A span of a call."""
        return chat(1, **fields)

    def requests(self) -> Iterator[tuple[str, bytes]]:
        """Signal and body of everything that is planted."""
        yield from ((signal, body) for dialect in CONTENT for signal, body in self.of_dialect(dialect))
        yield "traces", self.of_twins()
        yield "traces", self.of_spans()
        yield "traces", self.of_names()
        yield "logs", self.of_logs()
        yield "metrics", self.of_points()

    def of_dialect(self, name: str) -> Iterator[tuple[str, bytes]]:
        """A span for each form under every content key of a dialect, an event, and a log record."""
        for form in self.forms:
            said = {key: self.plant(f"{name}: {key}", form) for key in CONTENT[name]}
            event = Span.Event(name="exception", attributes=attributes({key: self.plant(f"{name}: event {key}", form) for key in said}))
            scope = InstrumentationScope(name=claimed(name))
            spans = [self.call(more={**said, **claims(name)}, events=[event])]
            resource = {"attributes": attributes({"service.name": name, "loopledger.loop": self.loop, "loopledger.run.id": self.loop})}
            yield (
                "traces",
                REQUESTS["traces"](
                    resource_spans=[{"resource": resource, "scope_spans": [{"scope": scope, "spans": spans}]}]
                ).SerializeToString(),
            )
            logged = {key: self.plant(f"{name}: log {key}", form) for key in CONTENT[name]}
            record = {"time_unix_nano": SECOND, "event_name": beginning(name), "attributes": attributes({**logged, **claims(name)})}
            record["body"] = any_value(self.plant(f"{name}: log body", form))
            yield (
                "logs",
                REQUESTS["logs"](
                    resource_logs=[{"resource": resource, "scope_logs": [{"scope": scope, "log_records": [record]}]}]
                ).SerializeToString(),
            )

    def of_twins(self) -> bytes:
        """One call seen twice: what joins its records stands inside the content of one of them."""
        response = f"chatcmpl-{secrets.token_hex(8)}"
        answer = {"id": response, "choices": [{"message": {"content": self.plant("answer with an id", "text")}}]}
        one = self.call(more={"openinference.span.kind": "LLM", "output.value": json.dumps(answer), "llm.model_name": MODEL})
        del one.attributes[:4]
        one.attributes.extend(attributes({"llm.token_count.prompt": 1, "llm.token_count.completion": 0}))
        return traces(one, self.call(more={"gen_ai.response.id": response}), run=f"twins of {self.loop}", loop=f"twins of {self.loop}")

    def of_spans(self) -> bytes:
        """Every other field of a request of traces."""
        spans = []
        for form in EVERYWHERE:
            value, text = self.plant("unknown key", form), f"{self.plant('attribute key', form)}"
            event = Span.Event(attributes=attributes({"anything": self.plant("event, unknown key", form)}))
            link = Span.Link(trace_id=b"l" * 16, span_id=b"l" * 8, attributes=attributes({"anything": self.plant("link", form)}))
            link.trace_state = f"{self.plant('link trace state', form)}"
            span = self.call(more={"custom": value, text: 1}, events=[event], links=[link])
            span.name, event.name = f"{self.plant('span name', form)}", f"{self.plant('event name', form)}"
            span.events.add(name=event.name)
            span.status.message, span.trace_state = f"{self.plant('status message', form)}", f"{self.plant('trace state', form)}"
            spans.append(span)
        doors = {key: self.plant(f"credential key {key}", "text") for key in DOORS}
        spans.append(self.call(more=doors, status={"code": 2, "message": self.plant("status message", "text")}))
        spans.append(self.call(more={key: [value] for key, value in doors.items()}))
        spans.append(self.call(more={"map": {key: {"deep": [value]} for key, value in doors.items()}}))
        said = {f"resource.{form}": self.plant("resource", form) for form in EVERYWHERE}
        request = REQUESTS["traces"].FromString(traces(*spans, run=self.loop, loop=self.loop, more=said))
        group = request.resource_spans[0]
        group.schema_url, group.scope_spans[0].schema_url = (self.plant(f"{name} schema url", "text") for name in ("resource", "scope"))
        scope = group.scope_spans[0].scope
        scope.version = self.plant("scope version", "API key")
        scope.attributes.extend(attributes({f"scope.{form}": self.plant("scope", form) for form in FORMS}))
        return request.SerializeToString()

    def of_names(self) -> bytes:
        """What becomes a column: names in attributes, scopes, services, models, runs and loops."""
        request = REQUESTS["traces"]()
        for form in ("prose", "lines", "long", "API key", "user in a URL", "option", "bearer", "web token"):
            spans = [self.call(more={key: self.plant(f"name in {key}", form)}) for key in NAMED]
            spans.append(self.call(more={"gen_ai.operation.name": "chat", "gen_ai.provider.name": self.plant("provider", form)}))
            scope = InstrumentationScope(name=self.plant("scope name", form), version="1")
            said = {"service.name": self.plant("service name", form), "loopledger.loop": self.loop}
            said |= {"loopledger.run.id": self.plant("run id", form), "service.instance.id": self.plant("process", form)}
            request.resource_spans.add(resource={"attributes": attributes(said)}, scope_spans=[{"scope": scope, "spans": spans}])
        return request.SerializeToString()

    def of_logs(self) -> bytes:
        """Every field of a log record."""
        records = []
        for form in FORMS:
            record = {"time_unix_nano": SECOND, "body": any_value(self.plant("log body", form))}
            if form in EVERYWHERE:
                record |= {"event_name": f"{self.plant('event name of a log', form)}", "severity_text": f"{self.plant('severity', form)}"}
                record["attributes"] = attributes({"anything": self.plant("log, unknown key", form)})
            records.append(record)
        records.append({"time_unix_nano": SECOND, "body": any_value({"content": self.plant("log body", "text"), "n": [1]})})
        return REQUESTS["logs"](resource_logs=[{"scope_logs": [{"log_records": records}]}]).SerializeToString()

    def of_points(self) -> bytes:
        """Every field of a metric and its points."""
        metrics = []
        for form in EVERYWHERE:
            exemplar = {"as_int": 1, "filtered_attributes": attributes({"anything": self.plant("exemplar", form)})}
            point = {"as_int": 1, "time_unix_nano": SECOND, "exemplars": [exemplar]}
            point["attributes"] = attributes({"anything": self.plant("point, unknown key", form)})
            texts = {name: f"{self.plant(f'metric {name}', form)}" for name in ("name", "description", "unit")}
            metrics.append({**texts, "sum": {"data_points": [point]}})
        return REQUESTS["metrics"](resource_metrics=[{"scope_metrics": [{"metrics": metrics}]}]).SerializeToString()

    def malformed(self) -> Iterator[tuple[str, bytes]]:
        """Encoding and body of requests that are refused, with a canary at the place that is wrong."""
        ids = '"traceId": "' + "ab" * 16 + '", "spanId": "' + "cd" * 8 + '"'
        around = ('{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "x", ' + ids, "}]}]}]}")
        wrong = {
            "value in JSON": ', "startTimeUnixNano": "{}"', "enum in JSON": ', "kind": "{}"', "shape in JSON": ', "attributes": "{}"',
            "number in JSON": ', "attributes": [{{"key": "k", "value": {{"intValue": "{}"}}}}]', "syntax in JSON": ', "x": {}',
            "key in JSON": ', "status": {{"{}": 1}}, "events": 7',
            "base64 in JSON": ', "attributes": [{{"value": {{"bytesValue": "{}!"}}}}]',
        }  # fmt: skip
        for place, text in wrong.items():
            yield "json", (around[0] + text.format(self.plant(f"malformed: {place}", "text")) + around[1]).encode()
        yield "json", self.plant("malformed: no JSON", "text").encode()
        yield "protobuf", b"\x0a\x7f" + self.plant("malformed: no protobuf", "text").encode()
        good = traces(chat(1, more={"custom": self.plant("malformed: invalid UTF-8", "text") + "~~~"}))
        yield "protobuf", good.replace(b"~~~", b"\xff\xfe~")
        yield "protobuf", traces(chat(1, more={"custom": self.plant("malformed: cut", "text")}))[:-30]


def _dialect(name: str) -> Dialect:
    return next(dialect for dialect in DIALECTS if dialect.name == name)


def claimed(name: str) -> str:
    """A scope by which a record is in that dialect."""
    return _dialect(name).scopes[0] if _dialect(name).scopes else "tests"


def claims(name: str) -> dict[str, str]:
    """An attribute by which a record is in that dialect, where no scope says so."""
    dialect = _dialect(name)
    return {dialect.claims[0]: "LLM"} if dialect.claims and not dialect.scopes else {}


def beginning(name: str) -> str:
    """The name of a log record of that dialect."""
    return f"{_dialect(name).names[0]}said" if _dialect(name).names else ""
