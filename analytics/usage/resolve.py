"""Records that may concern each other -> which are one call, which of them counts, and why. Pure: the same records, the same answer.

Order: told apart by kind, joined by ids and nesting and as twins, then the sums above them. Everything is columnar but twins, echoes and
the trees whose sums have no calls of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from analytics import fingerprint, tags
from analytics.masks import always, among, any_known, known, microseconds, true, where
from analytics.model import BUCKETS, FLOWING, MODEL_KINDS, OF_RESOURCE, SPLITS
from analytics.usage import joins, sums
from analytics.usage.links import NOT_COUNTED, links_of
from analytics.usage.merge import merge
from analytics.usage.sums import Sums, Told
from analytics.usage.told import comparable, says_usage
from analytics.usage.tree import Tree
from analytics.usage.twins import twins
from analytics.usage.whose import flowing, held

_BY_RESPONSE, _BY_REQUEST, _BY_RECORD = np.uint64(1), np.uint64(4), np.uint64(2)
_OF_CALL = (
    "record_key", "signal", "content_hash", "attribute_count", "trace_id", "started_at", "ended_at", *FLOWING,
    *(f"{name}_else" for name in OF_RESOURCE), "provider", "model_served", "response_id", "request_id", "process",
    "tool", "mcp_server", "runtime", "service", "dialect", *BUCKETS, *SPLITS, "usage_settled", "reasoning_apart", "reported_usd",
    "reporter", "conditions", "web_searches", "tags", "in_tokens", "out_tokens",
)  # fmt: skip
"""What is asked of the records of a call, whose kind comes with them."""
_TOOLS = ("tool", "sandbox")
PricedTools = Callable[[pl.Series], np.ndarray]
"""Names of tools -> which of them have a price."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a set of records comes to."""

    links: pl.DataFrame
    """LINK, one row per record that is a call, says usage, or would have to."""
    calls: pl.DataFrame
    """One row per call, its facts merged, with `call_id` and `primary`."""
    waiting: pl.Series
    """Traces with usage that waits for calls below it."""


def prepared(records: pl.DataFrame) -> pl.DataFrame:
    """Records with the columns that the rules look at: totals, times, and fingerprints of ids and of who wrote them."""
    started, ended = records["started_at"], records["ended_at"]
    input_tokens, output_tokens = comparable(records)
    numbers = {
        "in_tokens": input_tokens,
        "out_tokens": output_tokens,
        "from_us": microseconds(started, ended),
        "to_us": microseconds(ended, started),
        "response_key": fingerprint.of_column(records["response_id"]),
        "request_key": fingerprint.of_column(records["request_id"]),
        "source": sources_of(records),
    }
    return records.hstack([pl.Series(name, values) for name, values in numbers.items()])


def sources_of(records: pl.DataFrame) -> np.ndarray:
    """Who wrote each record: the signal, the instrumentation scope and, for log records, the event."""
    names = where(among(records["signal"], ("log",)), records["name"])
    return fingerprint.combine(*map(fingerprint.of_column, (records["signal"], records["runtime"], names)))


def resolve(records: pl.DataFrame, priced_tools: PricedTools, counted: pl.Series, settled: pl.Series) -> Resolved:
    """Resolves `prepared` spans and log records; every record that may concern one of them must be among them.

    `priced_tools` says which tools have a price, `counted` are keys of sums that counted before, `settled` traces whose sums need not wait
    for more.
    """
    tree = Tree.of(records)
    nodes = flowing(records, tree)
    nodes = nodes.hstack([where(known(nodes["reported_usd"]), nodes["service"]).alias("reporter")])
    said = says_usage(nodes)
    is_call, is_sum = _told_apart(nodes, tree, said, priced_tools)
    pairs, is_outer = joins.nested(nodes, tree, is_call, said)
    is_call, is_sum = is_call & ~is_outer, is_sum | is_outer
    label = _joined(nodes, tree, is_call, said, pairs)
    may_count = _may_count(nodes, counted, settled) if is_sum.any() else np.zeros(tree.count, bool)
    told = _told(nodes, tree, is_call, is_sum, said, label, may_count)
    verdicts = sums.settle(told, _suspects(told, among(nodes["signal"], ("span",))))
    return _resolved(nodes, tree, told, label, verdicts)


def _told_apart(nodes: pl.DataFrame, tree: Tree, said: np.ndarray, priced_tools: PricedTools) -> tuple[np.ndarray, np.ndarray]:
    """Which nodes are calls, and which say usage without being one."""
    role, kind, is_span = nodes["usage_role"], nodes["kind"], among(nodes["signal"], ("span",))
    counts, has_role = ~among(role, NOT_COUNTED), known(role)
    own = counts & (~has_role | among(role, ("echo",)))
    model = among(kind, MODEL_KINDS) & own & (said | (is_span & ~true(nodes["failed"])))
    presumed = among(kind, ("other",)) & said & ~has_role & any_known(nodes, ("model_requested", "model_served"))
    is_tool = among(kind, _TOOLS)
    tool = is_tool & priced_tools(nodes["tool"]) & (is_span | known(nodes["tool_call_id"])) if is_tool.any() else is_tool
    if presumed.any():
        above_calls = np.zeros(tree.count + 1, bool)
        above_calls[tree.nearest(presumed)[(model & said) | presumed]] = True
        presumed = presumed & ~above_calls[:-1]
    is_call = model | tool | presumed
    return is_call, said & ~is_call & is_span & counts


def _joined(nodes: pl.DataFrame, tree: Tree, is_call: np.ndarray, said: np.ndarray, nested: list[joins.Pairs]) -> np.ndarray:
    pairs = [*nested, *(joins.same_id(nodes, is_call, name) for name in ("response_id", "request_id"))]
    pairs += joins.tools(nodes, tree, is_call & among(nodes["kind"], _TOOLS))
    pairs.append(joins.echoes(nodes, tree, is_call, said))
    label = joins.components(tree.count, [pair for pair in pairs if len(pair[0])])
    found = twins(nodes, label, is_call, said, nodes["source"].to_numpy())
    return label if not len(found[0]) else joins.components(tree.count, [*pairs, found])


def _suspects(told: Told, is_span: np.ndarray) -> np.ndarray:
    """Calls with usage that lie above other calls."""
    suspects = np.zeros(told.tree.count + 1, bool)
    if not told.tree.is_flat:
        calls = (told.call >= 0) & told.has_usage & is_span
        above = told.tree.nearest(calls)
        other = calls & (np.append(told.call, -1)[above] != told.call)
        suspects[above[other]] = True
        suspects[:-1] |= told.is_presumed & (told.tree.above < told.tree.count)
    return suspects[:-1]


def _may_count(nodes: pl.DataFrame, counted: pl.Series, settled: pl.Series) -> np.ndarray:
    """Sums whose run is over, so that no call can come that they would sum up."""
    over = nodes.filter(pl.col("signal") == "span", pl.col("parent_span_id").is_null(), pl.col("ended_at").is_not_null())["trace_id"]
    traces = pl.concat([over, settled]).unique().implode()
    return (
        nodes.select(pl.col("trace_id").is_in(traces) | pl.col("record_key").is_in(counted.implode()))
        .to_series()
        .fill_null(False)
        .to_numpy()
    )


def _told(
    nodes: pl.DataFrame, tree: Tree, is_call: np.ndarray, is_sum: np.ndarray, said: np.ndarray, label: np.ndarray, may_count: np.ndarray
) -> Told:
    """Calls and sums with the tokens of whole calls: a silent record of a call that another one tells about is not silent."""
    tokens = np.column_stack([nodes[name].to_numpy() for name in ("in_tokens", "out_tokens")])
    speaks = label.copy()
    if (label != np.arange(tree.count)).any():
        finest = np.sum([known(nodes[name]) for name in BUCKETS], axis=0)
        order = np.lexsort((np.arange(tree.count), finest))  # the last write of a call is its finest record
        speaker = np.arange(tree.count)
        speaker[label[order]] = order
        speaks = speaker[label]
    return Told(
        tree=tree, call=np.where(is_call, label, -1), is_sum=is_sum, is_agent=among(nodes["kind"], ("agent",)),
        is_boundary=among(nodes["kind"], joins.BOUNDARIES), is_presumed=is_call & among(nodes["kind"], ("other",)),
        has_usage=said[speaks], tokens=tokens[speaks], roles=nodes["usage_role"].to_list() if is_sum.any() else [],
        may_count=may_count, buckets=nodes[list(BUCKETS)],
    )  # fmt: skip


def _resolved(nodes: pl.DataFrame, tree: Tree, told: Told, label: np.ndarray, verdicts: Sums) -> Resolved:
    counting = np.isin(verdicts.verdict, (sums.ONLY, sums.LESS_NESTED)) if told.is_sum.any() else np.zeros(tree.count, bool)
    no_calls = np.isin(np.arange(tree.count), list(verdicts.no_calls)) if verdicts.no_calls else np.zeros(tree.count, bool)
    inside = np.isin(told.call, list(verdicts.inside)) if verdicts.inside else np.zeros(tree.count, bool)
    is_member = ((told.call >= 0) & ~no_calls & ~inside) | counting
    columns = [nodes[name] for name in (*_OF_CALL, *tags.columns_of(nodes))]
    columns += [_kind(nodes["kind"], counting), _model(nodes, tree), pl.Series("call", label), pl.Series("depth", tree.depth)]
    wanted = pl.DataFrame(columns)
    members = wanted.filter(is_member) if not is_member.all() else wanted
    if verdicts.less:
        members = _less(members, nodes, verdicts)
    call_ids = _call_ids(nodes, label, told.call >= 0)
    merged = tags.gathered(merge(held(members, nodes)))
    calls = merged.hstack([call_ids[merged["call"].to_numpy()]])
    listed = (told.call >= 0) | told.is_sum | among(nodes["usage_role"], NOT_COUNTED)
    return Resolved(
        links_of(nodes, listed, calls, call_ids, verdicts, inside & (told.call >= 0)),
        calls[[name for name in calls.columns if name not in ("call", "depth", "in_tokens", "out_tokens")]],
        nodes["trace_id"].filter(pl.Series(verdicts.verdict == sums.WAITS, dtype=pl.Boolean)).unique(),
    )


def _kind(kinds: pl.Series, counting: np.ndarray) -> pl.Series:
    """A sum that counts, and what is presumed to be a call, count as a model's."""
    is_model = counting | among(kinds, ("other",))
    return kinds.zip_with(pl.Series(~is_model), always("kind", "model", pl.String(), len(kinds))) if is_model.any() else kinds


def _model(nodes: pl.DataFrame, tree: Tree) -> pl.Series:
    """The requested model; a record that names none at all is of the model that the nearest span above it asks for."""
    own = nodes["model_requested"]
    if tree.is_flat or not own.null_count():
        return own
    nameless = nodes["model_served"].is_null() & own.is_null() & nodes["in_tokens"].cast(pl.Boolean)
    if not nameless.any():
        return own
    return pl.select(pl.when(nameless).then(tree.inherited(own)).otherwise(own).alias("model_requested")).to_series()


def _less(members: pl.DataFrame, nodes: pl.DataFrame, verdicts: Sums) -> pl.DataFrame:
    """What counts of sums that count less the calls below them."""
    rows = [{"record_key": nodes["record_key"][row], **left} for row, left in verdicts.less.items()]
    return members.update(
        pl.DataFrame(rows, schema={"record_key": pl.UInt64, **dict.fromkeys(BUCKETS, pl.Int64)}), on="record_key", include_nulls=True
    )


def _call_ids(nodes: pl.DataFrame, label: np.ndarray, is_call: np.ndarray) -> pl.Series:
    """The id of each node's call: of the strongest id any of its records has, and of its earliest record."""
    keys = nodes["record_key"].to_numpy()
    identity = fingerprint.combine(np.full(len(keys), _BY_RECORD), keys)
    for column, kind in (("request_key", _BY_REQUEST), ("response_key", _BY_RESPONSE)):
        said = nodes[column].to_numpy()
        named = np.flatnonzero((said != 0) & is_call)
        identity[named] = fingerprint.combine(np.full(len(named), kind), said[named])
    anchor, shared = keys.copy(), np.bincount(label, minlength=len(label))[label] > 1
    if shared.any():
        identity[shared], anchor[shared] = _of_group(nodes.filter(pl.Series(shared)), label[shared], identity[shared])
    return pl.Series("call_id", fingerprint.combine(identity, anchor), pl.UInt64)


def _of_group(nodes: pl.DataFrame, label: np.ndarray, identity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The identity and the earliest record of each node's call."""
    strength = pl.when(pl.col("response_id").is_not_null()).then(0).when(pl.col("request_id").is_not_null()).then(1).otherwise(2)
    frame = nodes.select("record_key", "from_us", strength=strength).with_columns(label=label, identity=identity)
    earliest = frame.sort("from_us", "record_key").group_by("label").agg(anchor=pl.col("record_key").first())
    strongest = frame.sort("strength", "identity").group_by("label").agg(best=pl.col("identity").first(), of=pl.col("strength").first())
    group = frame.select("label").join(earliest.join(strongest, on="label"), on="label", how="left", maintain_order="left")
    anchor = group["anchor"].to_numpy()
    own = fingerprint.combine(np.full(len(label), _BY_RECORD), anchor)
    return np.where(group["of"].to_numpy() == 2, own, group["best"].to_numpy()), anchor
