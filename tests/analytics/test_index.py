from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.index import Index

KEYS = st.lists(st.integers(0, 40), max_size=30)
FAR = 2**64 - 41  # the largest fingerprints are looked up like any other


def prints(keys: list[int]) -> np.ndarray:
    return np.array([key if key < 20 else FAR + key for key in keys], np.uint64)


@settings(max_examples=50)
@given(known=KEYS, added=st.lists(KEYS, max_size=8), wanted=KEYS)
def test_an_index_answers_as_a_dict_of_sets_does(known, added, wanted):
    index, held = Index(prints(known), np.zeros(len(known), np.uint32)), defaultdict(set)
    for commit, keys in enumerate([known, *added]):
        if commit:
            index.add(prints(keys), commit)
        for key in keys:
            held[key].add(commit)
    found, commits = index.lookup(prints(wanted))
    assert found.tolist() == [key in held for key in wanted]
    assert commits.tolist() == sorted(set().union(*(held[key] for key in wanted if key in held)))
    assert len(index) == len(known) + sum(map(len, added))


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)), max_size=30))
def test_rebuilt_from_its_pairs_in_any_order_it_is_the_same_index(pairs):
    rebuilt = Index(prints([key for key, _ in pairs]), np.array([commit for _, commit in pairs], np.int64))
    for wanted in range(21):
        found, commits = rebuilt.lookup(prints([wanted]))
        expected = sorted({commit for key, commit in pairs if key == wanted})
        assert (found.tolist(), commits.tolist()) == ([bool(expected)], expected)


def test_an_empty_index_holds_nothing():
    found, commits = Index().lookup(prints([1, 2]))
    assert (found.tolist(), commits.tolist()) == ([False, False], [])


def test_runs_merge_so_that_a_lookup_visits_few():
    index = Index()
    for commit in range(1, 1001):
        index.add(prints([commit % 40]), commit)
    assert len(index._runs) <= 11
    assert index.lookup(prints([7]))[1].tolist() == list(range(7, 1001, 40))
