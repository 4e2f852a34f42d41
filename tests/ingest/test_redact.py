import re
from typing import Any

import pytest
from bodies import SAMPLES, attributes, chat, traces
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.evidence import NOTE, note
from analytics.keyed import Keyed
from ingest import wire
from ingest.content import is_content, is_credential
from ingest.redact import Redaction

KEPT, NOTED = True, False
KEYED = Keyed(b"a key")


def noted(text: str) -> str:
    return note(len(text), "characters", KEYED(text))


def stored(said: dict[str, Any], *, keeps_content: bool = False) -> dict[str, Any]:
    """What is stored of attributes; arrays and maps as they are on the wire."""
    rows = wire.decode([traces(chat(attributes=attributes(said)))], "traces").attributes.rows
    rows = Redaction(KEYED, keeps_content).attributes(rows)[0].to_pylist()
    return {row.pop("key"): next((value for value in row.values() if value is not None), None) for row in rows}


@pytest.mark.parametrize(
    ("key", "is_kept"),
    [
        # what happened, how much and whose
        ("gen_ai.operation.name", KEPT),
        ("gen_ai.request.model", KEPT),
        ("gen_ai.response.id", KEPT),
        ("gen_ai.response.finish_reasons", KEPT),
        ("gen_ai.output.type", KEPT),
        ("gen_ai.tool.name", KEPT),
        ("gen_ai.tool.call.id", KEPT),
        ("gen_ai.agent.name", KEPT),
        ("gen_ai.token.type", KEPT),
        ("gen_ai.request.reasoning.effort", KEPT),
        ("llm.input_messages.0.message.role", KEPT),
        ("llm.output_messages.0.message.tool_calls.0.tool_call.function.name", KEPT),
        ("input.mime_type", KEPT),
        ("openinference.span.kind", KEPT),
        ("loopledger.loop", KEPT),
        ("session.id", KEPT),
        ("user.email", KEPT),
        ("prompt.id", KEPT),
        ("event.name", KEPT),
        ("error.type", KEPT),
        ("exception.type", KEPT),
        ("url.full", KEPT),
        ("http.response.status_code", KEPT),
        # what was written to and by models, tools and people
        ("gen_ai.prompt", NOTED),
        ("gen_ai.prompt.0.content", NOTED),
        ("gen_ai.completion.0.content", NOTED),
        ("gen_ai.input.messages", NOTED),
        ("gen_ai.output.messages", NOTED),
        ("gen_ai.system_instructions", NOTED),
        ("gen_ai.tool.definitions", NOTED),
        ("gen_ai.tool.description", NOTED),
        ("gen_ai.tool.call.arguments", NOTED),
        ("gen_ai.tool.call.result", NOTED),
        ("llm.input_messages.0.message.content", NOTED),
        ("llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments", NOTED),
        ("llm.prompt_template.variables", NOTED),
        ("llm.invocation_parameters", NOTED),
        ("llm.tools.0.tool.json_schema", NOTED),
        ("input.value", NOTED),
        ("output.value", NOTED),
        ("retrieval.documents.0.document.content", NOTED),
        ("tool.parameters", NOTED),
        ("traceloop.entity.input", NOTED),
        ("traceloop.entity.output", NOTED),
        ("mlflow.spanInputs", NOTED),
        ("ai.prompt.messages", NOTED),
        ("ai.response.text", NOTED),
        ("ai.response.reasoning", NOTED),
        ("ai.response.toolCalls", NOTED),
        ("ai.response.object", NOTED),
        ("ai.toolCall.args", NOTED),
        ("ai.toolCall.result", NOTED),
        ("user_prompt", NOTED),
        ("prompt", NOTED),
        ("tool_input", NOTED),
        ("command", NOTED),
        ("process.command_line", NOTED),
        ("process.command_args", NOTED),
        ("db.query.text", NOTED),
        ("url.query", NOTED),
        ("exception.message", NOTED),
        ("exception.stacktrace", NOTED),
        ("error.stack_trace", NOTED),
        ("crew_agents.0.goal", NOTED),
        ("http.request.body", NOTED),
        # what opens a door
        ("http.request.header.authorization", NOTED),
        ("http.request.header.cookie", NOTED),
        ("Authorization", NOTED),
        ("api_key", NOTED),
        ("x-api-key", NOTED),
        ("openai.apiKey", NOTED),
        ("OPENAI_API_KEY", NOTED),
        ("GITHUB_TOKEN", NOTED),
        ("aws.secret_access_key", NOTED),
        ("client_secret", NOTED),
        ("db.password", NOTED),
        ("token", NOTED),
        ("auth.token", NOTED),
        ("refresh_token", NOTED),
        ("accessToken", NOTED),
        ("x-amz-security-token", NOTED),
        ("tls.private_key", NOTED),
    ],
)  # fmt: skip
def test_a_key_decides_whether_a_text_is_stored(key, is_kept):
    assert stored({key: "a text"}) == {key: "a text" if is_kept else noted("a text")}


@pytest.mark.parametrize(
    "key",
    ["llm.token_count.prompt", "gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens", "prompt_length", "output.value", "result"],
)
@pytest.mark.parametrize("number", [12, 0.5, True, "12", "-0.5"])
def test_numbers_are_kept(key, number):
    assert stored({key: number}) == {key: number}


def test_digits_under_a_credential_are_no_number():
    assert stored({"api_key": "123456"}) == {"api_key": noted("123456")}


def test_a_long_text_under_a_key_nobody_knows_is_content():
    assert stored({"custom.note": "é" * 512, "custom.story": "é" * 513}) == {
        "custom.note": "é" * 512,
        "custom.story": noted("é" * 513),
    }


def test_a_note_tells_characters_and_not_bytes():
    assert stored({"prompt": "grün"}) == {"prompt": noted("grün")}


def test_arrays_maps_and_bytes_of_content_leave_and_others_stay():
    kept = stored({"gen_ai.response.finish_reasons": ["stop"], "tool.names": ["search"], "labels": {"team": "mint"}, "trace.bytes": b"\1"})
    assert None not in kept.values()
    gone = {"gen_ai.prompt": ["a", "b"], "gen_ai.input.messages": [{"role": "user"}], "input.value": b"bytes", "api_key": ["k"]}
    assert all(re.match(NOTE, text) for text in stored(gone).values())


@pytest.mark.parametrize(
    "value",
    [
        {"content": "a secret plan"},
        [{"role": "user", "content": "a secret plan"}],
        {"headers": {"authorization": "Bearer x"}},
        '{"x-api-key": "k-1"}',
        "{'api_key': 'k-1'}",
        '[{"goal": "take over"}]',
        ["x" * 600],
        b"x" * 600,
    ],
    ids=lambda value: str(value)[:30],
)
def test_content_and_credentials_inside_a_value_leave_under_any_key(value):
    (kept,) = stored({"custom": value}).values()
    assert re.match(NOTE, kept)


def test_facts_inside_a_value_stay():
    said = {"llm.usage": "{'total_tokens': 2533}", "metadata": '{"team": "mint", "step": 2}'}
    assert stored(said) == said


@pytest.mark.parametrize(
    ("address", "is_kept"),
    [
        ("https://api.mint/v1/chat?version=2", KEPT),
        ("https://mint.googleapis.com/v1beta/models/gold:generateContent?alt=sse&key=AIzaSy", NOTED),
        ("https://store.mint/object?X-Amz-Signature=abc", NOTED),
        ("https://ada:pass@mint/v1", NOTED),
    ],
)
def test_an_address_leaves_with_the_credential_in_it(address, is_kept):
    for key in ("url.full", "http.url", "gen_ai.openai.api_base"):
        assert (stored({key: address})[key] == address) is is_kept


def test_a_very_long_key_is_content_itself():
    assert stored({"k" * 300: 1}) == {noted("k" * 300): 1}


def test_an_attribute_without_a_value_stays_one():
    assert stored({"prompt": None, "other": None}) == {"prompt": None, "other": None}


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20) | st.integers(-(2**63), 2**63 - 1) | st.none(), max_size=8))
def test_rows_keep_their_place_and_texts_stay_or_leave_whole(said):
    for value, kept in zip(said.values(), stored(said).values(), strict=True):
        assert kept in (value, noted(value) if isinstance(value, str) else None)


def test_nothing_that_a_prompt_of_the_samples_says_is_stored():
    """Long words that stand in contents of the samples stand nowhere in what is stored."""
    bodies = [path.read_bytes() for path in sorted(SAMPLES.glob("*/*-traces.pb")) if path.parent.name != "weekend"]
    rows = wire.decode(bodies, "traces").attributes.rows
    before = zip(rows.field("key").to_pylist(), rows.field("string_value").to_pylist(), strict=True)
    contents = {text for key, text in before if text and is_content(key) and len(text) > 40}
    kept = set(Redaction(KEYED).attributes(rows)[0].field("string_value").to_pylist())
    assert len(contents) > 300
    assert contents & kept == set()


def test_credentials_are_told_from_counts_of_tokens():
    assert [key for key in ("gen_ai.usage.input_tokens", "llm.token_count.total", "max_tokens", "token_type", "gen_ai.token.type")
            if is_credential(key)] == []  # fmt: skip


def test_a_tenant_may_ask_for_its_content_but_not_for_credentials():
    said = {"prompt": "a text", "input.value": '{"content": "x"}', "custom.story": "a " * 300, "messages": [{"content": "hello"}]}
    assert stored(said, keeps_content=True).keys() == said.keys()
    assert [value for value in stored(said, keeps_content=True).values() if re.match(NOTE, str(value))] == []
    secrets = {"api_key": "k", "prompt": "use sk-" + "a" * 20, "input.value": '{"api_key": "x"}', "headers": {"cookie": "c"}, "password": 7}
    kept = stored(secrets, keeps_content=True)
    assert [key for key, value in kept.items() if value is not None and not re.match(NOTE, str(value))] == []


@pytest.mark.parametrize(
    "text",
    [
        "sk-ant-api03-abcdefghij0123456789",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "AKIAIOSFODNN7EXAMPLE",
        "Bearer abcdefgh",
        "authorization: Basic dXNlcjpwYXNz",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
        "-----BEGIN RSA PRIVATE KEY-----",
        "postgres://ada:hunter2@db/mint",
        "deploy --token=hunter2",
        "deploy --api-key hunter2",
        "OPENAI_API_KEY=hunter2",
        "https://mint.test/?access_token=x",
    ],
)
def test_a_credential_leaves_under_any_key(text):
    assert stored({"custom": text, "tool.name": f"run {text}"}) == {"custom": noted(text), "tool.name": noted(f"run {text}")}
    assert list(stored({f"about {text}": 1})) == [noted(f"about {text}")]


@pytest.mark.parametrize(
    "text", ["task-runner-of-the-mint-team", "max_tokens=5", "token count", "a secret plan", "basic usage", "10:30@mint"]
)
def test_what_only_sounds_like_a_credential_stays(text):
    assert stored({"custom": text}) == {"custom": text}


@pytest.mark.parametrize(("header", "is_kept"), [("content-type", KEPT), ("x-mint-door", NOTED), ("cookie", NOTED), ("user_agent", KEPT)])
def test_of_headers_only_harmless_ones_stay(header, is_kept):
    for key in (f"http.request.header.{header}", f"http.response.header.{header}", f"rpc.grpc.request.metadata.{header}"):
        assert stored({key: "text"}) == {key: "text" if is_kept else noted("text")}
