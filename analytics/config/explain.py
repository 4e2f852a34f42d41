"""pydantic's errors as problems: where in the file, what is wrong, what would be right."""

import difflib
import re
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from analytics.config.source import Loc, Source
from analytics.errors import Problem

RIGHT = {
    "tuple_type": "must be a list, such as [one, two]",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "string_type": "must be text: put it in quotes",
    "decimal_type": 'must be a decimal number in quotes, such as "40.00"',
    "decimal_parsing": 'must be a decimal number in quotes, such as "40.00"',
    "int_type": "must be a whole number, without quotes",
    "string_too_short": "must not be empty",
    "url_type": "must be text: put it in quotes",
    "url_scheme": "must begin with http:// or https://",
    "invalid_key": "must be text",
}


def explain(source: Source, error: ValidationError) -> list[Problem]:
    """One problem per error that pydantic found in the value of `source`."""
    return [source.problem(_offender(detail), _message(source.kind.model, detail)) for detail in error.errors()]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question to append, or nothing if no known word is close."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _offender(detail: dict[str, Any]) -> Loc:
    """Where the error is: for a union by tag, which pydantic places at the whole entry, the tag."""
    return (*detail["loc"], "type") if detail["type"].startswith("union_tag") else detail["loc"]


def _message(model: type[BaseModel], detail: dict[str, Any]) -> str:
    loc, kind = _offender(detail), detail["type"]
    if kind == "extra_forbidden":
        return _unknown_key(loc[-1], [key for entry in _models(model, loc[:-1]) for key in entry.model_fields])
    if kind == "literal_error" and loc[-1] == "[key]":
        return _unknown_key(loc[-2], re.findall(r"'(.+?)'", detail["ctx"]["expected"]))
    if kind in ("missing", "union_tag_not_found"):
        return f"{_name(loc)} is missing{_meaning(model, loc)}"
    return f"{_name(loc)} {_right(detail)}"


def _right(detail: dict[str, Any]) -> str:
    """What would be right, to be read after the key's name; validators of ours raise a ValueError that says it like this."""
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    if detail["type"] == "union_tag_invalid":
        return f"must be {detail['ctx']['expected_tags']}"
    if detail["input"] is None:
        return "has no value: write one or remove the key"
    return RIGHT.get(detail["type"]) or re.sub(r"^.*? should ", "must ", detail["msg"])


def _name(loc: Loc) -> str:
    keys = [part for part in loc if isinstance(part, str) and part != "[key]"]
    if not keys:
        return "the file"
    return f"an item of {keys[-1]}" if isinstance(loc[-1], int) else keys[-1]


def _unknown_key(key: str | int, known: list[str]) -> str:
    return f"unknown key {key!r}{did_you_mean(str(key), known) or '; possible here: ' + ', '.join(known)}"


def _meaning(model: type[BaseModel], loc: Loc) -> str:
    """The beginning of the field's docstring, so that a missing key says what belongs there."""
    fields = [entry.model_fields[loc[-1]] for entry in _models(model, loc[:-1]) if loc[-1] in entry.model_fields]
    return f" ({re.split(r'[.:;]', fields[0].description)[0]})" if fields and fields[0].description else ""


def _models(model: type[BaseModel], loc: Loc) -> list[type[BaseModel]]:
    """The models that may stand at `loc` below `model`: more than one in a union."""
    models = [model]
    for part in loc:
        fields = [entry.model_fields[part] for entry in models if part in entry.model_fields]
        models = [entry for field in fields for entry in _within(field.annotation)] or models
    return models


def _within(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [entry for argument in get_args(annotation) for entry in _within(argument)]
