import numpy as np
import polars as pl
import pytest
from bookkeeping import frame, log, span
from hypothesis import given
from hypothesis import strategies as st

from analytics.usage.tree import Tree


@st.composite
def forests(draw) -> list[tuple[int, str | None]]:
    """(row above, agent) of each node: what is above may be missing, the node itself, or below it."""
    count = draw(st.integers(0, 25))
    above = st.integers(0, count)
    return [(draw(above), draw(st.sampled_from([None, None, "maker", "checker"]))) for _ in range(count)]


def grown(nodes: list[tuple[int, str | None]]) -> tuple[Tree, pl.Series]:
    agents = pl.Series("agent", [agent for _, agent in nodes], pl.String)
    return Tree(len(nodes), np.array([above for above, _ in nodes], np.int64)), agents


def inherited(nodes: list[tuple[int, str | None]]) -> list[str | None]:
    tree, agents = grown(nodes)
    return tree.inherited(agents).to_list()


def upwards(nodes: list[tuple[int, str | None]], row: int) -> list[int]:
    """This row and those above it, a step at a time, until the way ends."""
    way = []
    while row < len(nodes) and row not in way:
        way.append(row)
        row = nodes[row][0]
    return way


def names_above(*records: dict) -> dict[str, str | None]:
    """Record -> the record right above it."""
    nodes = frame(*records)
    names = [*nodes["name"], None]
    return {name: names[row] for name, row in zip(nodes["name"], Tree.of(nodes).above.tolist(), strict=True)}


# Who is above whom


def test_a_span_lies_below_the_span_that_it_names_in_its_trace():
    records = [span("root"), span("inner", parent="root"), span("lost", parent="never came"), span("other", parent="root", trace="two")]
    assert names_above(*records) == {"root": None, "inner": "root", "lost": None, "other": None}


def test_a_log_record_lies_below_the_span_it_was_written_in():
    records = [
        log("said", within="inner"),
        span("inner", parent="root"),
        span("root"),
        log("alone", trace_id=None),
        log("of nobody", within="never came"),
    ]
    assert names_above(*records) == {"said": "inner", "inner": "root", "root": None, "alone": None, "of nobody": None}


def test_nothing_lies_below_a_log_record():
    assert names_above(log("said", within="root"), span("inner", parent="root"), span("root"))["inner"] == "root"


@given(st.permutations(range(4)))
def test_the_order_of_records_changes_no_tree(order):
    records = [span("root"), span("a", parent="root"), span("b", parent="a"), span("c", parent="a")]
    assert names_above(*(records[place] for place in order)) == {"root": None, "a": "root", "b": "a", "c": "a"}


def test_a_tree_without_edges_is_flat():
    assert Tree.of(frame(span("a"), span("b", parent="never came"))).is_flat
    assert not Tree.of(frame(span("a"), span("b", parent="a"))).is_flat


# What flows down


@given(forests())
def test_every_node_takes_over_what_a_walk_up_would_find(nodes):
    walks = (upwards(nodes, row) for row in range(len(nodes)))
    assert inherited(nodes) == [next((nodes[row][1] for row in walk if nodes[row][1]), None) for walk in walks]


@given(forests())
def test_the_nearest_marked_node_above_is_what_a_walk_up_would_find(nodes):
    tree, agents = grown(nodes)
    marked, nobody = agents.is_not_null().to_numpy(), len(nodes)
    walks = [upwards(nodes, above) if above < nobody else [] for above, _ in nodes]
    assert tree.nearest(marked).tolist() == [next((row for row in walk if marked[row]), nobody) for walk in walks]


@given(forests())
def test_depth_is_the_number_of_nodes_above(nodes):
    rows = [row for row in range(len(nodes)) if nodes[upwards(nodes, row)[-1]][0] == len(nodes)]  # not below a ring
    depth = grown(nodes)[0].depth
    assert [depth[row] for row in rows] == [len(upwards(nodes, row)) - 1 for row in rows]


def test_its_own_value_wins_over_its_ancestors():
    assert inherited([(3, "orchestrator"), (0, "maker"), (1, None)]) == ["orchestrator", "maker", "maker"]


@pytest.mark.parametrize("ring", [[(0, None)], [(1, None), (0, None)], [(2, None), (0, None), (1, None), (0, None)]])
def test_a_ring_of_parents_ends(ring):
    assert inherited(ring) == [None] * len(ring)
    assert inherited([(ring[0][0], "maker"), *ring[1:]]) == ["maker"] * len(ring)


def test_a_chain_of_ten_thousand_is_no_deeper_than_its_root():
    chain = [*((row + 1, None) for row in range(9_999)), (10_000, "root")]
    tree, agents = grown(chain)
    assert set(tree.inherited(agents)) == {"root"}
    assert tree.depth.tolist() == list(range(9_999, -1, -1))


def test_there_may_be_no_nodes_at_all():
    assert inherited([]) == []
    assert Tree.of(frame()).depth.tolist() == []
