"""Whose a record is: by its own words, else by the nearest span above, else by its trace if that knows one answer, else by its resource."""

from collections.abc import Iterator

import polars as pl

from analytics import tags
from analytics.masks import coalesced, is_hex_of, where, whole
from analytics.model import FLOWING, OF_RESOURCE
from analytics.usage.tree import Tree

_OF_TRACE = ("team", "user", "session", "loop", "run", "run_parent")
"""What the rest of a trace may say for a record: an agent or a role of somebody else is none of its own."""


_ELSE = {f"{name}_else" for name in OF_RESOURCE}


def flowing(nodes: pl.DataFrame, tree: Tree) -> pl.DataFrame:
    """The nodes with what they or spans above them say in the FLOWING columns, and what is left to say for them in NAME_else; their tags
    likewise, spread out."""
    said = tags.spread(nodes)
    said = said.hstack([said[name].alias(f"{name}_else") for name in OF_RESOURCE])
    for series in _own(said):
        said.replace_column(said.get_column_index(series.name), series if tree.is_flat else tree.inherited(series))
    for name in () if tree.is_flat else tags.columns_of(said):
        said.replace_column(said.get_column_index(name), tree.inherited(said[name]))
    return said


def _own(said: pl.DataFrame) -> Iterator[pl.Series]:
    """What the records themselves say, not their resources; and a run that is only its trace names nobody."""
    of_resource = whole(said["of_resource"])
    for name in FLOWING:
        own = said[name]
        if name in OF_RESOURCE and of_resource.any():
            own = where((of_resource & (1 << OF_RESOURCE.index(name))) == 0, own)
        if name == "run" and own.null_count() < len(own):
            own = where(~is_hex_of(own, said["trace_id"]), own)
        yield own


def held(some: pl.DataFrame, nodes: pl.DataFrame) -> pl.DataFrame:
    """Some of the nodes that `flowing` gave, with everything that holds for them. A run nobody names is their trace, else their session."""
    some = _of_trace(some, nodes)
    filled = {name: coalesced(some[name], some[f"{name}_else"]) for name in OF_RESOURCE}
    filled["run"] = coalesced(filled["run"], filled["session"])
    return pl.DataFrame([filled.get(one.name, one) for one in some.get_columns() if one.name not in _ELSE])


def _of_trace(some: pl.DataFrame, nodes: pl.DataFrame) -> pl.DataFrame:
    asked = [name for name in _OF_TRACE if some[name].null_count() and nodes[name].null_count() < nodes.height]
    if not asked:
        return some
    told = nodes.lazy().filter(pl.col("trace_id").is_not_null(), pl.any_horizontal(pl.col(asked).is_not_null())).group_by("trace_id")
    answers = told.agg(pl.col(asked).drop_nulls().unique().implode())
    single = answers.select("trace_id", *(pl.when(pl.col(name).list.len() == 1).then(pl.col(name).list.first()) for name in asked))
    joined = some.lazy().join(single, on="trace_id", how="left", suffix="_of_trace", maintain_order="left")
    return (
        joined.with_columns(pl.coalesce(name, f"{name}_of_trace").alias(name) for name in asked)
        .drop(f"{name}_of_trace" for name in asked)
        .collect()
    )
