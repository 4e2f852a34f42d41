import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import fingerprint

TEXTS = st.lists(st.none() | st.binary(max_size=300), max_size=30)


def numbers(*values: int) -> np.ndarray:
    return np.array(values, np.uint64)


def of(*values: bytes | None) -> list[int]:
    return fingerprint.of_text(pa.array(values, pa.binary())).tolist()


def test_fingerprints_are_stored_so_they_never_change():
    assert of(b"", b"a", b"123456789", b"x" * 256, b"x" * 257) == [
        6238072747940578789,
        9421386732053928432,
        5686722814617735691,
        12158961478832970570,
        8557773044231383636,
    ]
    assert fingerprint.mix(numbers(0, 1, 2**64 - 1)).tolist() == [0, 0x5692161D100B05E5, 0xB4D055FCF2CBBD7B]
    assert fingerprint.combine(numbers(1, 2), numbers(3, 4)).tolist() == [14155185538047482906, 5971932325430229795]
    assert fingerprint.of_ids(pa.array([b"0123456789abcdef"], pa.binary()), 16).tolist() == [11358721285688951299]


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 16, 17, 64, 65, 255, 256, 257, 1000, 70_000])
def test_a_text_of_any_length_has_a_fingerprint_of_its_own(length):
    text = b"\0" * length
    assert len(set(of(text, text + b"\0", text + b"a", text[:-1] + b"b"))) == 4


@given(TEXTS)
def test_a_fingerprint_depends_on_its_value_alone(values):
    alone = [of(value)[0] for value in values]
    assert of(*values) == alone
    assert fingerprint.of_text(pa.array([b"other", *values], pa.binary()).slice(1)).tolist() == alone


@given(TEXTS)
def test_different_values_have_different_fingerprints(values):
    assert len(set(of(*values))) == len(set(values))


def test_text_and_bytes_of_the_same_letters_are_the_same():
    assert fingerprint.of_text(pa.array(["grün", None])).tolist() == of("grün".encode(), None)


def test_null_is_zero():
    assert of(None, None) == [0, 0]
    assert of(b"", None)[1] == 0


def test_the_order_of_columns_matters_and_a_further_column_changes_everything():
    a, b = numbers(1, 2), numbers(3, 4)
    every = [*fingerprint.combine(a, b), *fingerprint.combine(b, a), *fingerprint.combine(a), *fingerprint.combine(a, b, numbers(0, 0))]
    assert len(set(every)) == 8


def test_an_id_is_read_where_its_array_begins():
    ids = pa.array([b"a" * 8, b"b" * 8, None], pa.binary())
    assert fingerprint.of_ids(ids.slice(1), 8).tolist() == fingerprint.of_ids(pa.array([b"b" * 8, None], pa.binary()), 8).tolist()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**64 - 1)), max_size=40))
def test_sums_by_owner_wrap_and_ignore_the_order_within_an_owner(pairs):
    in_order = sorted(pairs, key=lambda pair: pair[0])
    owners = np.array([owner for owner, _ in in_order], np.int64)
    sums = fingerprint.sum_by_owner(owners, numbers(*(value for _, value in in_order)), 7)
    assert sums.tolist() == [sum(value for owner, value in pairs if owner == i) % 2**64 for i in range(7)]
