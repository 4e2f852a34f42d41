"""What may be stored. Content leaves before anything is written, logged or raised; what happened, how much and whose stays.

A key decides for its value: prompts, completions, tool arguments and results, system instructions and anything that carries
credentials are replaced by a note of their length. A long text under a key nobody knows is taken for content too.
"""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_CONTENT = re.compile(
    r"(^|[._\-])(prompts?|completions?|messages?|contents?|inputs?|outputs?|arguments|args|parameters|params|results?|response_body|request_body|body|"
    r"instructions?|system_prompt|descriptions?|definitions|json_schema|schema|query|queries|documents?|text|texts|thoughts?|code|command|command_line|"
    r"command_args|stdout|stderr|stack_?trace|reasoning|goal|backstory|tool_?calls?|object|message_content|raw|value|data|diff|patch|"
    r"snippet|answer|question|summary|invocation_parameters|final_result|all_messages|tool_response|llm_request|llm_response|input_value|output_value|spaninputs|spanoutputs)([._\-\[]|$)",
    re.IGNORECASE,
)
_CREDENTIAL = re.compile(
    r"authori[sz]ation|cookie|password|passwd|secret|api[._\-]?key|access[._\-]?key|private[._\-]?key|credential|bearer|"
    r"(auth|access|refresh|session|security|id)[._\-]?token$|(^|[._\-])(auth_)?token($|[._\-](?!usage|count|type|limit))",
    re.IGNORECASE,
)
_FACT = re.compile(
    r"([._](id|ids|name|type|role|mime_type|kind|count|tokens?|finish_reasons?|stop_reason|status|status_code|model|provider|index|version|code_function|duration_ms|effort)$)"
    r"|^(prompt\.id|event\.name|query_source|gen_ai\.(output|input)\.type)$",
    re.IGNORECASE,
)
_INNER = (
    r"(?i)(prompts?|completions?|messages?|contents?|inputs?|outputs?|arguments|args|parameters|params|results?|body|instructions?|query|texts?|"
    r"thoughts?|code|command|stdout|stderr|value|data|answer|question|goal|backstory|descriptions?|reasoning|authorization|cookie|password|secret|"
    r"api[_-]?key|token)(\\?['\"]\s*:|\x12)"
)
"""A key inside a value that names content or a credential: JSON closes it with a quote, OTLP goes on with the tag of its own value."""
_ADDRESS = re.compile(r"(^|[._\-])(ur[il]|full|target|base|endpoint|dsn|connection_string)$", re.IGNORECASE)
_KEYED = r"(?i)[?&][^=&]*(key|token|secret|sig|signature|password|auth|code)=|://[^/@\s]+@"
"""An address with a credential in its query, or with somebody's password before its host."""
_OPENS = (b"{", b"[", b'"', b" ", b"\n")
"""First byte of a text that may be JSON."""
_LONGEST = 512  # characters; a longer text under an unknown key is content
_NUMBER = r"^-?[0-9]{1,19}(\.[0-9]{1,9})?$"


def is_content(key: str) -> bool:
    """Whether a text under this key may be what somebody wrote to or got from a model or a tool."""
    return _CONTENT.search(key) is not None and _FACT.search(key) is None


def is_credential(key: str) -> bool:
    """Whether a value under this key may open a door."""
    return _CREDENTIAL.search(key) is not None and not key.lower().endswith(("tokens", "token_count", "token_type"))


def redacted(rows: pa.StructArray) -> pa.StructArray:
    """Attribute rows as `wire.Attributes` holds them, content and credentials replaced by a note of their length."""
    coded = rows.field("key").dictionary_encode()
    keys = coded.dictionary.to_pylist()
    codes = coded.indices.to_numpy(zero_copy_only=False)
    secret = np.array([is_credential(key) for key in keys], bool)[codes]
    content = np.array([is_content(key) for key in keys], bool)[codes]
    text = rows.field("string_value")
    length = pc.utf8_length(text)
    is_number = pc.fill_null(pc.match_substring_regex(text, _NUMBER), False).to_numpy(zero_copy_only=False)
    is_long = pc.fill_null(pc.greater(length, _LONGEST), False).to_numpy(zero_copy_only=False)
    address = np.array([_ADDRESS.search(key) is not None for key in keys], bool)[codes]
    hidden = secret | (content & ~is_number) | is_long | _holds_content(text) | _is_keyed(text, address)
    columns = {name: rows.field(name) for name in (field.name for field in rows.type)}
    columns["key"] = _short(coded)
    columns["string_value"] = _noted(text, length, hidden)
    for name in ("array_value", "kvlist_value", "bytes_value"):
        columns[name] = _blanked(rows.field(name), secret | content | _holds_content(rows.field(name)))
    return pa.StructArray.from_arrays(list(columns.values()), names=list(columns))


def _holds_content(values: pa.Array) -> np.ndarray:
    """Whether a structured value, under whatever key, is too long for a fact or names content or a credential inside."""
    holds = np.zeros(len(values), bool)
    is_json = pc.is_in(pc.binary_slice(values.cast(pa.binary()), 0, 1), pa.array(_OPENS))
    rows = np.flatnonzero(is_json if pa.types.is_string(values.type) else pc.is_valid(values))
    structured = values.take(pa.array(rows))
    holds[rows] = pc.or_(pc.greater(pc.binary_length(structured), _LONGEST), pc.match_substring_regex(structured, _INNER))
    return holds


def _is_keyed(text: pa.Array, address: np.ndarray) -> np.ndarray:
    keyed, rows = np.zeros(len(text), bool), np.flatnonzero(address)
    keyed[rows] = pc.fill_null(pc.match_substring_regex(text.take(pa.array(rows)), _KEYED), False)
    return keyed


def _short(coded: pa.DictionaryArray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(coded.indices, pc.utf8_slice_codeunits(coded.dictionary, 0, 256))


def _noted(text: pa.Array, length: pa.Array, hidden: np.ndarray) -> pa.Array:
    if not hidden.any():
        return text
    note = pc.binary_join_element_wise("[redacted: ", length.cast(pa.string()), " characters]", "")
    return pc.if_else(pa.array(hidden), note, text)


def _blanked(values: pa.Array, hidden: np.ndarray) -> pa.Array:
    return values if values.null_count == len(values) or not hidden.any() else pc.if_else(pa.array(hidden), None, values)
