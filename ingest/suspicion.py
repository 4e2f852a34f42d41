"""What is taken and counted, and still worth a word to its sender: models that have no price."""

from collections.abc import Mapping

import polars as pl

from analytics.masks import distinct, rows

_NAMES = ("model_requested", "model_served")


def unpriced(charges: pl.DataFrame) -> set[str]:
    """Names of the models whose calls are charged without a known price."""
    if not charges.height or not (is_unpriced := charges["unpriced_calls"].to_numpy() > 0).any():
        return set()
    without = rows(charges, is_unpriced)
    return {name for column in _NAMES for name in distinct(without[column])}


def by_body(records: pl.DataFrame, models: set[str]) -> Mapping[int, tuple[str, ...]]:
    """Of each body of some arrivals those of the models that it names."""
    if not models:
        return {}
    named = pl.concat([records.select("body", model=name) for name in _NAMES]).filter(pl.col("model").is_in(list(models)))
    return {body: tuple(sorted(set(found))) for body, found in named.group_by("body").agg("model").iter_rows()}
