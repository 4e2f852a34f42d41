"""What a record says of usage, and which of its revisions holds."""

import numpy as np
import polars as pl

from analytics.masks import any_known, true, whole
from analytics.model import BUCKETS

INPUT = BUCKETS[:5]
OUTPUT = BUCKETS[5:]
WRITES = BUCKETS[2:5]


def has_usage() -> pl.Expr:
    """Whether a record reports tokens at all."""
    return pl.any_horizontal(pl.col(bucket).is_not_null() for bucket in BUCKETS)


def says_usage(records: pl.DataFrame) -> np.ndarray:
    """The same as a mask over all rows."""
    return any_known(records, BUCKETS)


def input_tokens() -> pl.Expr:
    """All input, cached included; 0 where nothing is said."""
    return pl.sum_horizontal(pl.col(bucket).fill_null(0) for bucket in INPUT)


def output_tokens() -> pl.Expr:
    """All output, reasoning included; 0 where nothing is said."""
    return pl.sum_horizontal(pl.col(bucket).fill_null(0) for bucket in OUTPUT)


def comparable(records: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Input and output as every record of a call says them: some runtimes leave reasoning out of the output of all but one of them."""
    output = np.where(true(records["reasoning_apart"]), whole(records["output_text_tokens"]), _sum(records, OUTPUT))
    return _sum(records, INPUT), output


def _sum(records: pl.DataFrame, buckets: tuple[str, ...]) -> np.ndarray:
    return np.sum([whole(records[name]) for name in buckets], axis=0, dtype=np.int64)


def standing() -> list[pl.Expr]:
    """How revisions of one record rank, the greatest holds: ended, with usage, with more attributes, then by content."""
    return [pl.col("ended_at").is_not_null(), has_usage(), pl.col("attribute_count"), pl.col("content_hash")]


def best_revisions(records: pl.DataFrame) -> pl.DataFrame:
    """One row per record_key: its greatest revision. Of stored rows with the same content the newest holds: a recount wrote it."""
    if records["record_key"].n_unique() == records.height:
        return records
    if "commit_no" in records.columns:
        records = records.sort("commit_no", descending=True, maintain_order=True).unique(
            ["record_key", "content_hash"], keep="first", maintain_order=True
        )
    return records.sort(standing(), descending=True, maintain_order=True).unique("record_key", keep="first", maintain_order=True)
