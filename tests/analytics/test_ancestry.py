import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from analytics.ancestry import nearest

AGENT = pl.Schema({"agent": pl.String})


@st.composite
def forests(draw) -> list[tuple[int, int, str | None]]:
    """(key, parent, agent): parents may be missing, themselves, or form rings."""
    keys = draw(st.lists(st.integers(1, 30), unique=True, max_size=25))
    return [(key, draw(st.integers(0, 32)), draw(st.sampled_from([None, None, "maker", "checker"]))) for key in keys]


def inherited(nodes: list[tuple[int, int, str | None]]) -> list[str | None]:
    keys, parents = (np.array([node[place] for node in nodes], np.uint64) for place in (0, 1))
    return nearest(keys, parents, pl.DataFrame([(agent,) for *_, agent in nodes], AGENT, orient="row"))["agent"].to_list()


def walked(nodes: list[tuple[int, int, str | None]], key: int) -> str | None:
    """Up from one node, a step at a time, until somebody says something or the way ends."""
    known, seen = {key: (parent, agent) for key, parent, agent in nodes}, set()
    while key in known and key not in seen:
        seen.add(key)
        key, agent = known[key]
        if agent is not None:
            return agent
    return None


@given(forests())
def test_every_node_takes_over_what_a_walk_up_would_find(nodes):
    assert inherited(nodes) == [walked(nodes, key) for key, *_ in nodes]


def test_its_own_value_wins_over_its_ancestors():
    assert inherited([(1, 0, "orchestrator"), (2, 1, "maker"), (3, 2, None)]) == ["orchestrator", "maker", "maker"]


def test_each_column_has_a_nearest_ancestor_of_its_own():
    own = pl.DataFrame({"agent": ["lead", None, None], "role": [None, "checker", None]})
    found = nearest(np.array([1, 2, 3], np.uint64), np.array([0, 1, 2], np.uint64), own)
    assert found.rows() == [("lead", None), ("lead", "checker"), ("lead", "checker")]


def test_a_ring_of_parents_ends():
    assert inherited([(1, 3, None), (2, 1, None), (3, 2, None), (4, 4, None), (5, 3, None)]) == [None] * 5
    assert inherited([(1, 3, None), (2, 1, "maker"), (3, 2, None)]) == ["maker"] * 3


def test_a_chain_of_ten_thousand_is_no_deeper_than_its_root():
    chain = [(1, 0, "root"), *((key, key - 1, None) for key in range(2, 10_001))]
    assert set(inherited(chain[::-1])) == {"root"}


def test_there_may_be_no_nodes_at_all():
    assert inherited([]) == []
