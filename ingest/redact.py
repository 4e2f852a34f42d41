"""What may be stored. Content leaves before anything is written, logged or raised; what happened, how much and whose stays.

A key decides for its value: prompts, completions, tool arguments and results, system instructions and anything that carries
credentials are replaced by a note of their length and a keyed hash, so that equal ones are recognised as equal. Under a key nobody knows a
long text or one of many words is taken for content too, and whatever looks like a credential leaves under any key and in any name.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from analytics.evidence import note
from analytics.keyed import Keyed
from analytics.masks import true
from analytics.model import RECORD
from ingest.content import INNER_CONTENT, INNER_CREDENTIAL, PROSE, SECRET, Holds, holds
from ingest.keep import KEEP, Keep

_LONGEST = 512  # characters; a longer text under an unknown key is content
_LONGEST_NAME = 256  # characters of a key, or of any name kept in a column
_SHORTEST_PROSE = 23  # bytes of twelve words
_SHORT_NAME = 48  # bytes; up to here a name is a name, unless something in its batch looks like a credential
_LOWERED = ("provider",)
"""Columns whose texts are no longer in the letters they came in."""
_NAMELESS = rf"{SECRET}|\n"
_NUMBER = r"^-?[0-9]{1,19}(\.[0-9]{1,9})?$"
_PROSE_BLANKS = 11
_BLANK = np.isin(np.arange(256), list(b" \t\n\f\r"))
_OPENS = np.isin(np.arange(256), list(b'{["( \n'))
"""First byte of a text that may be JSON or the Python text of a structure."""
_BYTES = ("array_value", "kvlist_value", "bytes_value")
_NUMBERS = ("int_value", "double_value", "bool_value")


@dataclass(frozen=True, slots=True)
class Redaction:
    """What may be stored of one tenant."""

    keyed: Keyed
    keeps_content: bool = False
    """The tenant asked for prompts and answers to be kept; credentials never are."""
    keep: Keep = KEEP

    def attributes(self, rows: pa.StructArray) -> tuple[pa.StructArray, bool]:
        """Attribute rows as `wire.Attributes` holds them, content and credentials replaced by notes; and whether anything looked like a
        credential."""
        coded = rows.field("key").dictionary_encode()
        keys = coded.dictionary.to_pylist()
        held = np.fromiter((holds(key, _LONGEST_NAME) for key in keys), np.uint8, len(keys))
        of_row = held[coded.indices.to_numpy(zero_copy_only=False)]
        columns = {field.name: rows.field(field.name) for field in rows.type}
        text = columns["string_value"]
        hidden, told_secrets = self._hidden_texts(text, of_row)
        columns["string_value"] = self._noted(text, text, hidden, "characters")
        if (held & Holds.KEY_ITSELF).any():
            kept = [self._note(key, "characters") if is_long & Holds.KEY_ITSELF else key for key, is_long in zip(keys, held, strict=True)]
            coded = pa.DictionaryArray.from_arrays(coded.indices, pa.array(kept, pa.string()))
        columns["key"] = coded
        for name in _BYTES:
            if columns[name].null_count < len(rows):
                self._hide_bytes(columns, name, of_row)
        if (secret := of_row & Holds.CREDENTIAL).any():
            for name in _NUMBERS:
                columns[name] = pc.if_else(pa.array(secret > 0), None, columns[name])
        return pa.StructArray.from_arrays(list(columns.values()), names=list(columns)), told_secrets

    def names(self, said: pl.DataFrame, told_secrets: bool) -> pl.DataFrame:
        """Records with every text of theirs that is too long for a name, or no name at all, replaced by a note. `told_secrets`: whether any
        attribute looked like a credential, which a column may have been read from."""
        texts = [
            name for name, type_ in said.schema.items() if type_ == pl.String and name in RECORD and said[name].null_count() < said.height
        ]
        if not said.height or not texts:
            return said
        told_secrets = told_secrets or said["name"].append(said["runtime"]).str.contains(_NAMELESS).any()
        longest = said.select(pl.col(texts).str.len_bytes().max()).row(0)
        doubtful = [name for name, length in zip(texts, longest, strict=True) if told_secrets or length > _SHORT_NAME]
        return said.with_columns(self._name(said[name]) for name in doubtful) if doubtful else said

    def _name(self, names: pl.Series) -> pl.Series:
        distinct, secret = names.drop_nulls().unique(), f"(?i){SECRET}" if names.name in _LOWERED else SECRET
        wrong = distinct.filter((distinct.str.len_chars() > _LONGEST_NAME) | distinct.str.contains(PROSE) | distinct.str.contains(secret))
        return names.replace(wrong, [self._note(name, "characters") for name in wrong]) if len(wrong) else names

    def _hidden_texts(self, text: pa.Array, held: np.ndarray) -> tuple[np.ndarray, bool]:
        """Which texts leave; and whether any looks like a credential."""
        length, first = _measured(text)
        secret = true(pl.Series(text).str.contains(SECRET))
        structured = _OPENS[first] & (length > 1)
        hidden = ((held & Holds.CREDENTIAL > 0) & (length > 0)) | secret
        hidden |= _matching(text, structured & ~hidden, INNER_CREDENTIAL)
        if not self.keeps_content:
            content = held & Holds.CONTENT > 0
            hidden |= content & (length > 0) & ~_matching(text, content & (length < 32), _NUMBER)
            hidden |= _matching(text, structured & ~hidden, INNER_CONTENT)
            prose = _matching(text, (length >= _SHORTEST_PROSE) & _worded(text) & ~hidden, PROSE)
            hidden |= prose | _longer(text, ~hidden & (length > _LONGEST))
            secret |= prose
        return hidden, bool(secret.any())

    def _hide_bytes(self, columns: dict[str, pa.Array], name: str, held: np.ndarray) -> None:
        """Structured values: one that leaves is replaced by a note in the place of a text."""
        values = columns[name]
        length, there = (
            pc.fill_null(pc.binary_length(values), 0).to_numpy(zero_copy_only=False),
            pc.is_valid(values).to_numpy(zero_copy_only=False),
        )
        hidden = there & (held & Holds.CREDENTIAL > 0)
        hidden |= _matching(values, there & ~hidden, f"{INNER_CREDENTIAL}|{SECRET}")
        if not self.keeps_content:
            hidden |= there & ((held & Holds.CONTENT > 0) | (length > _LONGEST))
            hidden |= _matching(values, there & ~hidden, f"{INNER_CONTENT}|{PROSE}")
        columns["string_value"] = self._noted(columns["string_value"], values, hidden, "bytes")
        columns[name] = pc.if_else(pa.array(hidden), None, values)

    def _noted(self, texts: pa.Array, values: pa.Array, hidden: np.ndarray, unit: str) -> pa.Array:
        """The texts, with a note of each hidden value in its row."""
        if not hidden.any():
            return texts
        coded = values.filter(pa.array(hidden)).dictionary_encode()
        notes = pa.array([self._note(value, unit) for value in coded.dictionary.to_pylist()], pa.string())
        return pc.replace_with_mask(texts, pa.array(hidden), notes.take(coded.indices))

    def _note(self, value: str | bytes, unit: str) -> str:
        return note(len(value), unit, self.keyed(value))


def _measured(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Of each text its bytes, 0 for none, and the first of them."""
    _, offsets, data = text.buffers()
    ends = np.frombuffer(offsets, np.int32, len(text) + 1, text.offset * 4) if len(text) else np.zeros(1, np.int32)
    content = np.frombuffer(data or b"", np.uint8)
    first = content[np.minimum(ends[:-1], len(content) - 1)] if len(content) else np.zeros(len(text), np.uint8)
    return np.diff(ends), first


def _worded(text: pa.Array) -> np.ndarray:
    """Which texts have blanks enough to be prose, or a line break: told by their bytes, and much sooner than by a pattern."""
    _, offsets, data = text.buffers()
    if data is None or not len(text):
        return np.zeros(len(text), bool)
    ends = np.frombuffer(offsets, np.int32, len(text) + 1, text.offset * 4)
    content = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    blank = np.flatnonzero(_BLANK[content])
    worth = np.where(content[blank] == ord("\n"), _PROSE_BLANKS, 1)
    row = np.searchsorted(ends, blank + ends[0], side="right") - 1
    return np.bincount(row, worth, len(text)) >= _PROSE_BLANKS


def _matching(values: pa.Array, asked: np.ndarray, pattern: str) -> np.ndarray:
    """Whether each of the asked values holds the pattern; the others do not."""
    return _of_asked(values, asked, lambda some: pc.match_substring_regex(some, pattern))


def _longer(text: pa.Array, asked: np.ndarray) -> np.ndarray:
    return _of_asked(text, asked, lambda some: pc.greater(pc.utf8_length(some), _LONGEST))


def _of_asked(values: pa.Array, asked: np.ndarray, test: Callable[[pa.Array], pa.Array]) -> np.ndarray:
    found, rows = np.zeros(len(values), bool), np.flatnonzero(asked)
    if len(rows):
        found[rows] = pc.fill_null(test(values.take(pa.array(rows))), False).to_numpy(zero_copy_only=False)
    return found
