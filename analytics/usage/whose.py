"""Whose a record is: by its own words, else by the nearest span above, else by its trace if that knows one answer, else by its resource."""

import polars as pl

from analytics import tags
from analytics.model import FLOWING, OF_RESOURCE
from analytics.usage.tree import Tree

_OF_TRACE = ("team", "user", "session", "loop", "run", "run_parent")
"""What the rest of a trace may say for a record: an agent or a role of somebody else is none of its own."""


def flowing(nodes: pl.DataFrame, tree: Tree) -> pl.DataFrame:
    """The nodes with what they or spans above them say in the FLOWING columns, and what is left to say for them in NAME_else; their tags
    likewise, spread out."""
    last = [pl.col(name).alias(f"{name}_else") for name in OF_RESOURCE]
    said = tags.spread(nodes).with_columns(*last).with_columns(_own(name) for name in FLOWING)
    return said if tree.is_flat else said.with_columns(tree.inherited(said[name]) for name in (*FLOWING, *tags.columns_of(said)))


def held(some: pl.DataFrame, nodes: pl.DataFrame) -> pl.DataFrame:
    """Some of the nodes that `flowing` gave, with everything that holds for them. A run nobody names is their trace, else their session."""
    some = _of_trace(some, nodes)
    filled = some.with_columns(pl.coalesce(name, f"{name}_else").alias(name) for name in OF_RESOURCE)
    return filled.with_columns(run=pl.coalesce("run", "session")).drop(f"{name}_else" for name in OF_RESOURCE)


def _own(name: str) -> pl.Expr:
    """What the record itself says, not its resource; and a run that is only its trace names nobody."""
    own = pl.col(name)
    if name in OF_RESOURCE:
        bit = 1 << OF_RESOURCE.index(name)
        own = pl.when((pl.col("of_resource").fill_null(0) & bit) == 0).then(own)
    if name == "run":
        own = pl.when(pl.col("run").ne_missing(pl.col("trace_id").bin.encode("hex"))).then(own)
    return own.alias(name)


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
