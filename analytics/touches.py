"""What loops touched: models and agents from calls that stand, tools, MCP servers and approvals from steps."""

from datetime import datetime

import polars as pl

from analytics.grants import Touch
from analytics.ledger import Ledger
from analytics.model import TIME
from analytics.usage.tree import Tree
from analytics.usage.whose import flowing, held

_WHO = ("loop", "run", "agent", "role")
TOUCHES = pl.Schema(
    {
        **dict.fromkeys((*_WHO, "kind"), pl.String), "names": pl.List(pl.String), "server": pl.String, "uses": pl.Int64,
        "first_used": TIME, "last_used": TIME,
    }
)  # fmt: skip
"""One row for each thing that an agent used in a run. kind: model, agent, tool, mcp_server or approval. names: every name it goes by.
server: of a tool, the MCP server it came through. uses: calls of a model, steps of a tool."""


def touches(ledger: Ledger, calls: pl.DataFrame, tenant: str, since: datetime | None, until: datetime | None) -> pl.DataFrame:
    """TOUCHES in [since, until) UTC of whatever names a loop. `calls` are rows of the statement reports/grants."""
    steps = _steps(ledger.query("queries/touched_steps", tenant=tenant, since=since, until=until), calls)
    servers = steps.filter(pl.col("server").is_not_null()).with_columns(
        kind=pl.lit("mcp_server"), names=pl.concat_list("server"), server=pl.lit(None, pl.String)
    )
    parts = (_models(calls), _agents(calls, steps), steps, servers)
    return pl.concat([part.select(TOUCHES.names()).cast(dict(TOUCHES)) for part in parts])


def touch_of(row: dict) -> Touch:
    """A row of TOUCHES as grants look at it."""
    return Touch(row["loop"], row["agent"], row["kind"], tuple(row["names"]), row["server"])


def _models(calls: pl.DataFrame) -> pl.DataFrame:
    ids = pl.concat_list("model", "model_requested", "model_served").list.drop_nulls().list.unique(maintain_order=True)
    named = calls.filter(pl.col("call_kind") != "tool").with_columns(kind=pl.lit("model"), names=ids, server=pl.lit(None, pl.String))
    return named.filter(pl.col("names").list.len() > 0)


def _agents(calls: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Each agent once for each of its runs."""
    columns = [*_WHO, "first_used", "last_used"]
    seen = pl.concat([part.select(columns).cast({"first_used": TIME, "last_used": TIME}) for part in (calls, steps)])
    per_run = seen.filter(pl.col("agent").is_not_null()).group_by("loop", "run", "agent")
    agents = per_run.agg(pl.col("role").drop_nulls().first(), pl.col("first_used").min(), pl.col("last_used").max())
    return agents.with_columns(
        kind=pl.lit("agent"), names=pl.concat_list("agent"), server=pl.lit(None, pl.String), uses=pl.lit(1, pl.Int64)
    )


def _steps(nodes: pl.DataFrame, calls: pl.DataFrame) -> pl.DataFrame:
    """The used ones among these steps, with whose they are by the tree they are in."""
    if nodes.is_empty():
        return TOUCHES.to_frame()
    known = flowing(nodes.with_columns(tags=pl.lit(None, pl.String)), Tree.of(nodes))
    used = _once(_in_loops(held(known.filter("is_used"), known), calls))
    kind = pl.when(pl.col("kind") == "approval").then(pl.lit("approval")).otherwise(pl.lit("tool"))
    per_thing = used.group_by(*_WHO, "thing", kind=kind, server=pl.col("mcp_server"))
    uses = pl.coalesce("tool_call_id", pl.col("record_key").cast(pl.String)).n_unique().cast(pl.Int64)
    rows = per_thing.agg(uses=uses, first_used=pl.col("at").min(), last_used=pl.col("at").max())
    return rows.with_columns(names=pl.concat_list("thing"))


def _in_loops(steps: pl.DataFrame, calls: pl.DataFrame) -> pl.DataFrame:
    """Steps of a loop, named: that which their run bills to, else the one they name."""
    billed = calls.group_by("run").agg(billed=pl.col("loop").unique()).filter(pl.col("billed").list.len() == 1)
    named = steps.with_columns(thing=pl.coalesce("tool", "name")).filter(pl.col("thing").is_not_null())
    joined = named.join(billed.select("run", pl.col("billed").list.first()), on="run", how="left")
    return joined.with_columns(loop=pl.coalesce("billed", "loop")).filter(pl.col("loop").is_not_null())


def _once(steps: pl.DataFrame) -> pl.DataFrame:
    """One use is often a span and a log record: in a run whose spans tell of a tool, its log records do not count again."""
    is_log = pl.col("signal") == "log"
    return steps.filter(~is_log | is_log.all().over("run", "thing", "kind"))
