from collections import defaultdict
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import sealed
from analytics.fingerprint import mix
from analytics.index import COMMIT, Index
from analytics.sealed import Shelf, filter_bits

KEYS = st.lists(st.integers(0, 40), max_size=30)
FAR = 2**64 - 41  # the largest fingerprints are looked up like any other


def prints(keys: list[int]) -> np.ndarray:
    return np.array([key if key < 20 else FAR + key for key in keys], np.uint64)


@settings(max_examples=50)
@given(added=st.lists(KEYS, max_size=8), wanted=KEYS)
def test_an_index_answers_as_a_dict_of_sets_does(added, wanted):
    index, held = Index(), defaultdict(set)
    for commit, keys in enumerate(added):
        index.add(prints(keys), commit)
        for key in keys:
            held[key].add(commit)
    found, commits = index.lookup(prints(wanted))
    assert found.tolist() == [key in held for key in wanted]
    assert commits.tolist() == sorted(set().union(*(held[key] for key in wanted if key in held)))
    assert len(index) == sum(map(len, added))


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)), max_size=30))
def test_rebuilt_from_its_pairs_in_any_order_it_is_the_same_index(pairs):
    rebuilt = Index()
    rebuilt.add_pairs(prints([key for key, _ in pairs]), np.array([commit for _, commit in pairs], np.int64), 9)
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


@settings(max_examples=25)
@given(added=st.lists(KEYS, max_size=12), wanted=KEYS, lost=st.integers(0, 3))
def test_a_sealed_index_answers_the_same_after_a_restart_and_after_the_loss_of_commits(tmp_path_factory, added, wanted, lost):
    folder, small = tmp_path_factory.mktemp("index"), type("Small", (Index,), {"in_memory": 16})
    index = small(Shelf(folder, COMMIT, lambda commit: commit))
    for commit, keys in enumerate(added, 1):
        index.add(prints(keys), commit)
    last = max(0, len(added) - lost)
    again = small(Shelf(folder, COMMIT, lambda commit: commit if commit <= last else None))
    assert again.through <= last
    for commit, keys in enumerate(added[:last], 1):
        if commit > again.through:
            again.add(prints(keys), commit)
    for one, commits in ((index, len(added)), (again, last)):
        held = {key: [commit for commit, keys in enumerate(added[:commits], 1) if key in keys] for key in wanted}
        found, hit = one.lookup(prints(wanted))
        assert found.tolist() == [bool(held[key]) for key in wanted]
        assert hit.tolist() == sorted(set(chain.from_iterable(held.values())))


@pytest.mark.parametrize("harm", ["flipped", "cut", "emptied", "gone", "of another ledger"])
def test_a_harmed_file_and_those_after_it_are_removed(tmp_path, harm, monkeypatch):
    monkeypatch.setattr(sealed, "LARGE", 8)
    index = type("Small", (Index,), {"in_memory": 8})(Shelf(tmp_path, COMMIT, lambda commit: commit))
    for commit in range(1, 6):
        index.add(np.arange(commit * 10, commit * 10 + 10, dtype=np.uint64) << np.uint64(40), commit)
    second = sorted(tmp_path.iterdir())[1]
    whole = second.read_bytes()
    texts = {"flipped": whole[:-1] + bytes([whole[-1] ^ 1]), "cut": whole[:-1], "emptied": b"", "of another ledger": whole}
    second.write_bytes(texts[harm]) if harm in texts else second.unlink()
    (tmp_path / "next").write_bytes(b"half a run")
    again = Shelf(tmp_path, COMMIT, lambda commit: -1 % 2**64 if harm == "of another ledger" and commit == 2 else commit)
    assert (again.through, [file.name for file in tmp_path.iterdir()]) == (1, ["000000.run"])


def test_sealed_runs_merge_and_a_crash_while_they_do_costs_nothing_but_their_reading(tmp_path):
    index = type("Small", (Index,), {"in_memory": 8})(Shelf(tmp_path, COMMIT, lambda commit: commit))
    before = {}
    for commit in range(1, 200):
        before = {file: file.read_bytes() for file in tmp_path.iterdir()}
        index.add(np.arange(commit * 10, commit * 10 + 10, dtype=np.uint64) << np.uint64(40), commit)
        if len(before) > len(list(tmp_path.iterdir())) > 1:
            break
    for file in sorted(before)[len(list(tmp_path.iterdir())) :]:
        file.write_bytes(before[file])  # the new run is in place, those in it are not gone yet
    again = Index(Shelf(tmp_path, COMMIT, lambda commit: commit))
    assert (again.through, len(again)) == (commit, 10 * commit)
    assert again.lookup(prints([10, 5]) << np.uint64(40))[1].tolist() == [1]


def test_a_million_strangers_hardly_pass_the_filter(tmp_path):
    index = Index(Shelf(tmp_path, COMMIT, lambda commit: commit))
    index.add(mix(np.arange(1 << 20, dtype=np.uint64)), 1)
    (run,) = index._shelf
    strangers = mix(np.arange(1 << 21, 1 << 22, dtype=np.uint64))
    assert len(run.possible(strangers, filter_bits(strangers))) < 0.01 * len(strangers)
    found, commits = index.lookup(mix(np.array([7, 1 << 20, 9], np.uint64)))
    assert (found.tolist(), commits.tolist()) == ([True, False, True], [1])
