"""Short cuts for few rows say what the long way says for many."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from analytics.masks import among, each, having, is_hex_of, spread, spread_rows

TEXTS = st.lists(st.none() | st.sampled_from(["", "a", "b", "ü", "00ff"]), min_size=1, max_size=8)
MANY = 100
"""So often that no column of them is a short one."""


def texts(values: list[str | None], times: int = 1) -> pl.Series:
    return pl.Series("text", values * times, pl.String)


@given(TEXTS)
def test_a_text_is_among_words_in_a_batch_of_any_size(values):
    few, many = among(texts(values), ("a", "ü")), among(texts(values, MANY), ("a", "ü"))
    assert few.tolist() == [value in ("a", "ü") for value in values]
    assert many.tolist() == few.tolist() * MANY


@given(TEXTS)
def test_a_text_is_an_id_in_hex_in_a_batch_of_any_size(values):
    ids = pl.Series("id", [b"\x00\xff", None, b"\xaa"] * len(values), pl.Binary)[: len(values)]
    few = is_hex_of(texts(values), ids)
    assert few.tolist() == [id_ is not None and value == id_.hex() for value, id_ in zip(values, ids.to_list(), strict=True)]
    assert is_hex_of(texts(values, MANY), pl.concat([ids] * MANY)).tolist() == few.tolist() * MANY


@given(TEXTS)
def test_a_function_is_asked_once_for_every_distinct_text(values):
    asked = []
    said = each(texts(values, 3), lambda text: asked.append(text) or (text.upper() or None))
    assert said.name == "text"
    assert said.to_list() == [(value and value.upper()) or None for value in values] * 3
    assert sorted(asked) == sorted({value for value in values if value is not None})


@given(st.lists(st.integers(0, 2), max_size=5))
def test_rows_are_spread_whether_they_differ_or_not(places):
    frame = pl.DataFrame({"number": [1, 2, None], "text": ["a", None, "c"]})
    at = np.array(places, np.int64)
    assert spread(frame["text"], at).equals(frame["text"][at], null_equal=True)
    assert spread_rows(frame, at).equals(frame[at])


def test_a_column_takes_the_place_of_its_namesake_and_new_ones_come_last():
    frame = having(pl.DataFrame({"a": [1], "b": [2]}), [pl.Series("c", [3]), pl.Series("a", [4])])
    assert frame.rows(named=True) == [{"a": 4, "b": 2, "c": 3}]
    assert frame.columns == ["a", "b", "c"]
