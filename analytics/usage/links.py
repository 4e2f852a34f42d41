"""Links: which call a record belongs to, whether it is the one that counts, and why."""

import numpy as np
import polars as pl
import pyarrow as pa

from analytics.masks import among, rows, where
from analytics.usage import sums
from analytics.usage.sums import Sums
from analytics.usage.tree import rows_of

LINK = ("record_key", "call_id", "counts", "reason", "remainder_tokens", "agent", "role")
NOT_COUNTED = ("partial", "free")
"""Roles of usage that is never charged."""
_WHY_NOT = {"partial": "a part that its runtime does not vouch for", "free": "nobody bills it"}
_VERDICTS = {
    sums.SUM: "a sum over calls that count",
    sums.WAITS: "waits: no call below it yet",
    sums.ONLY: "the only report of its usage",
    sums.LESS_NESTED: "what no call below it reports",
    sums.LIFETIME: "a total over the life of its agent",
}


def links_of(
    nodes: pl.DataFrame, listed: np.ndarray, calls: pl.DataFrame, call_ids: pl.Series, verdicts: Sums, inside: np.ndarray
) -> pl.DataFrame:
    """LINK of the listed nodes. `call_ids` of every node; `inside`: calls whose usage is in a sum around them."""
    at = np.flatnonzero(listed)
    keys, ids = nodes["record_key"].to_numpy()[at], call_ids.to_numpy()[at]
    call = rows_of(calls["call_id"].to_numpy(), ids)
    counts = np.append(calls["primary"].to_numpy(), np.uint64(0))[call] == keys
    counts[call == calls.height] = False
    spoken = among(nodes["usage_role"], NOT_COUNTED) | inside | np.array(verdicts.verdict, bool)
    odd = np.flatnonzero(~counts | spoken[at])
    reason = np.full(len(at), "counts", object)
    if len(odd):
        reason[odd] = _reasons(nodes, at[odd], calls, call[odd], counts[odd], verdicts, inside)
    remainder = pl.Series("remainder_tokens", verdicts.remainder[at], pl.Int64)
    return pl.DataFrame(
        [
            pl.Series("record_key", keys),
            pl.Series("call_id", ids),
            pl.Series("counts", counts),
            pl.Series("reason", pa.array(reason, pa.string())),
            where(verdicts.remainder[at] > 0, remainder),
            *rows(nodes[["agent", "role"]], listed).get_columns(),
        ]
    )


def _reasons(
    nodes: pl.DataFrame, rows: np.ndarray, calls: pl.DataFrame, call: np.ndarray, counts: np.ndarray, verdicts: Sums, inside: np.ndarray
) -> list[str]:
    """Why these rows count, or why not; `call` is the place of the call of each, their number for none."""
    words = [_VERDICTS.get(word) for word in verdicts.verdict[rows]]
    first = {name: calls[name].extend_constant(None, 1)[call].alias(f"first_{name}") for name in ("response_id", "request_id")}
    asked = nodes[["response_id", "request_id", "usage_role", "signal"]][rows].with_columns(
        *first.values(), verdict=pl.Series(words, dtype=pl.String), inside=pl.Series(inside[rows]), counts=pl.Series(counts)
    )
    return asked.select(_REASON.alias("reason"))["reason"].to_list()


_REASON = (
    pl.when(pl.col("verdict").is_not_null())
    .then("verdict")
    .when("inside")
    .then(pl.lit("its usage is in the sum around it"))
    .when(pl.col("usage_role").is_in(NOT_COUNTED))
    .then(pl.col("usage_role").replace_strict(_WHY_NOT, default=None))
    .when("counts")
    .then(pl.lit("counts"))
    .when(pl.col("response_id") == pl.col("first_response_id"))
    .then(pl.lit("same response id"))
    .when(pl.col("request_id") == pl.col("first_request_id"))
    .then(pl.lit("same request id"))
    .when(pl.col("usage_role") == "echo")
    .then(pl.lit("a later report of the same call"))
    .when(pl.col("signal") == "log")
    .then(pl.lit("the log record of the same call"))
    .otherwise(pl.lit("the same call, seen by another instrumentation"))
)
"""Why a record counts, or why not."""
