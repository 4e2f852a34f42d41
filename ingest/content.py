"""What is content and what is a credential, told by the key of an attribute and by the text itself.

Every pattern runs in time linear in the text (the engines behind Arrow and Polars know no backtracking).
"""

import re
from enum import IntFlag
from functools import lru_cache

_CONTENT = re.compile(
    r"(^|[._\-])(prompts?|completions?|messages?|contents?|inputs?|outputs?|arguments|args|parameters?|params|results?|response_body|request_body|body|"
    r"instructions?|system_prompt|descriptions?|definitions|json_schema|schema|query|queries|statement|documents?|text|texts|thoughts?|code|command|"
    r"command_line|command_args|stdout|stderr|stack_?trace|reasoning|goal|backstory|tool_?calls?|object|message_content|raw|value|data|diff|patch|"
    r"snippet|answer|question|summary|explanation|transcript|invocation_parameters|final_result|all_messages|tool_response|llm_request|llm_response|"
    r"input_value|output_value|spaninputs|spanoutputs|traceinputs|traceoutputs|status_message|backstories|crew_agents|crew_tasks)([._\-\[]|$)"
    r"|(^|[._\-])((user_|llm_|model_)?(request|response)s?|errors?|error_msg|msg|system|contexts?|new_context|choices?|events|tasks?|files|values|doc|"
    r"definition|function_call|tools)$",
    re.IGNORECASE,
)
_CREDENTIAL = re.compile(
    r"authori[sz]ation|cookie|password|passwd|passphrase|secret|api[._\-]?key|access[._\-]?key|private[._\-]?key|credential|bearer|signature|"
    r"(auth|access|refresh|session|security|id)[._\-]?token$|(^|[._\-])(auth_)?token($|[._\-](?!usage|count|type|limit))|(^|[._\-])(jwt|pwd|otp|pat)$",
    re.IGNORECASE,
)
_FACT = re.compile(
    r"([._](id|ids|name|type|role|mime_type|kind|count|tokens?|finish_reasons?|stop_reason|status|status_code|model|provider|index|version|code_function|duration_ms|effort)$)"
    r"|^(prompt\.id|event\.name|query_source|gen_ai\.(output|input)\.type|(gen_ai|llm|db|messaging|rpc|faas)\.system|(gen_ai\.)?agent\.tools)$",
    re.IGNORECASE,
)
_HEADER = re.compile(r"(^|[._])(headers?|request\.metadata|response\.metadata)[._](?P<name>[^.]+)$", re.IGNORECASE)
_HARMLESS_HEADERS = {
    "accept", "cache-control", "content-encoding", "content-length", "content-type", "date", "retry-after", "server", "traceparent",
    "user-agent", "x-request-id", "request-id",
}  # fmt: skip
"""Of headers by name only these are stored: any other may be how somebody lets themselves in."""

INNER_CREDENTIAL = r"(?i)(authorization|cookie|passw(or)?d|secret|api[_-]?key|token|credentials?|private[_-]?key)(\\?['\"]\s*:|\x12)"
"""A key inside a value that names a credential: JSON closes it with a quote, OTLP goes on with the tag of its own value."""
INNER_CONTENT = (
    r"(?i)(prompts?|completions?|messages?|contents?|inputs?|outputs?|arguments|args|parameters|params|results?|body|instructions?|query|"
    r"statement|texts?|thoughts?|code|command|stdout|stderr|value|data|answer|question|goal|backstory|descriptions?|reasoning)(\\?['\"]\s*:|\x12)"
)
"""The same for content."""

_TOKENS = (
    r"sk-[A-Za-z0-9_-]{16}|[spr]k_(?:live|test)_[A-Za-z0-9]{10}|whsec_[A-Za-z0-9+/=]{16}|gh[opsur]_[A-Za-z0-9]{20}|github_pat_[A-Za-z0-9_]{20}|"
    r"glpat-[A-Za-z0-9_-]{16}|(?:AKIA|ASIA|AGPA|AROA|AIDA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{30}|ya29\.[A-Za-z0-9_-]{20}|xox[abeprs]-[A-Za-z0-9-]{10}|"
    r"hf_[A-Za-z0-9]{20}|npm_[A-Za-z0-9]{30}|pypi-[A-Za-z0-9_-]{16}|dop_v1_[0-9a-f]{32}|SG\.[A-Za-z0-9_-]{16}|gsk_[A-Za-z0-9]{20}|"
    r"xai-[A-Za-z0-9]{20}|pplx-[A-Za-z0-9]{20}|r8_[A-Za-z0-9]{20}|lsv2_[a-z]{2}_[0-9a-f]{16}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8}"
)
"""Keys whose issuers begin them with letters of their own, and JSON web tokens."""
SECRET = (
    rf"(?:^|[^A-Za-z0-9])(?:{_TOKENS})|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/\s:@]*:[^/\s@]+@|hooks\.slack\.com/services/|"
    r"(?i:[?&][^=&\s]*(?:key|token|secret|sig|signature|password|auth|code)=[^&\s]|bearer\s+\S{8}|basic\s+[a-z0-9+/=_-]{16}|--?(?:api-?key|token|[a-z]+-token|passw(?:or)?d|secret|[a-z]+-secret)(?:\s|[\"'],\s?[\"'])\S|"
    r"(?:api[_-]?key|token|secret|passw(?:or)?d|pwd|credentials?|signature|authorization|cookie)[\"']?\s?[=:]\s?[\"']?[^\s\"',]{4})"
)
"""What opens a door in any text: known keys, private keys, passwords in addresses, headers, options and assignments."""
PROSE = r"\n|(?:\S+\s+){11}\S"
"""More than one line, or twelve words: nobody names anything like that."""


class Holds(IntFlag):
    """What values under a key hold, and whether the key itself may be stored."""

    FACT = 0
    UNKNOWN = 1
    CONTENT = 2
    CREDENTIAL = 4
    KEY_ITSELF = 8


def is_content(key: str) -> bool:
    """Whether a text under this key may be what somebody wrote to or got from a model or a tool."""
    return _CONTENT.search(key) is not None and _FACT.search(key) is None and _HEADER.search(key) is None


def is_credential(key: str) -> bool:
    """Whether a value under this key may open a door."""
    if header := _HEADER.search(key):
        return header["name"].lower().replace("_", "-") not in _HARMLESS_HEADERS
    return _CREDENTIAL.search(key) is not None and not key.lower().endswith(("tokens", "token_count", "token_type"))


@lru_cache(maxsize=8192)
def holds(key: str, longest: int) -> int:
    """The `Holds` of a key; one longer than so many characters, or with a secret in it, is content itself."""
    itself = Holds.KEY_ITSELF if len(key) > longest or _IN_KEY.search(key) else Holds.FACT
    if is_credential(key):
        return Holds.CREDENTIAL | itself
    if is_content(key):
        return Holds.CONTENT | itself
    return (Holds.FACT if _FACT.search(key) else Holds.UNKNOWN) | itself


_IN_KEY = re.compile(f"{SECRET}|{PROSE}")
