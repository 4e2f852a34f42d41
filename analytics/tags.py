"""Tags: the attributes that owners.yaml asks for, kept beside a record as a JSON object of texts, so that they outlive its evidence.

While calls are told apart each key is a column of its own, named with PREFIX.
"""

from collections.abc import Sequence

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from analytics.evidence import NOTE, Part

PREFIX = "tag "
_VALUES = ("string_value", "int_value", "double_value", "bool_value")


def tagged(records: pl.DataFrame, attributes: pa.Table, keys: Sequence[str], place: str) -> pl.DataFrame:
    """Records with `tags` as their evidence says them: a record's own value, else its resource's. `place` is the column of their owners."""
    if not keys:
        return records
    asked = pc.is_in(attributes["key"].cast(pa.string()), pa.array(list(keys), pa.string()))
    said = pl.from_arrow(attributes.filter(asked).select(["part", "owner", "key", *_VALUES])).with_columns(value=_text())
    found = said.filter(pl.col("value").is_not_null()).with_columns(pl.col("key").cast(pl.String))
    if found.is_empty():
        return records.with_columns(tags=pl.lit(None, pl.String))
    own = [_of(found, records[owner], part, keys) for part, owner in ((Part.ATTRIBUTE, place), (Part.RESOURCE, "resource"))]
    columns = [pl.coalesce(one, other).alias(f"{PREFIX}{key}") for key, one, other in zip(keys, *own, strict=True)]
    return gathered(records.with_columns(columns).drop("tags"))


def spread(nodes: pl.DataFrame) -> pl.DataFrame:
    """Tags as one column for each key that any of them has; without tags the same frame."""
    if nodes["tags"].null_count() == nodes.height:
        return nodes
    decoded = nodes["tags"].str.json_decode(infer_schema_length=None)
    return nodes.with_columns(decoded.struct.field(key.name).alias(f"{PREFIX}{key.name}") for key in decoded.dtype.fields)


def columns_of(nodes: pl.DataFrame) -> list[str]:
    """The columns that `spread` made."""
    return [name for name in nodes.columns if name.startswith(PREFIX)]


def gathered(calls: pl.DataFrame) -> pl.DataFrame:
    """The columns that `spread` made as `tags` again, its keys in order."""
    spread_out = sorted(columns_of(calls))
    if not spread_out:
        return calls
    said = [_pair(name, name.removeprefix(PREFIX)) for name in spread_out]
    anything = pl.any_horizontal(pl.col(spread_out).is_not_null())
    whole = pl.when(anything).then(pl.format("{{{}}}", pl.concat_str(said, separator=",", ignore_nulls=True)))
    return calls.with_columns(tags=whole).drop(spread_out)


def decoded(keys: Sequence[str]) -> pl.Expr:
    """The column `tags` as a struct of these keys."""
    return pl.col("tags").str.json_decode(pl.Struct(dict.fromkeys(keys, pl.String)))


def _pair(column: str, key: str) -> pl.Expr:
    """`"key":"value"`, null for no value."""
    whole = pl.struct(pl.col(column).alias(key)).struct.json_encode()
    return pl.when(pl.col(column).is_not_null()).then(whole.str.slice(1, whole.str.len_chars() - 2))


def _text() -> pl.Expr:
    """A value as text; a text that was redacted says nothing."""
    text = pl.when(~pl.col("string_value").str.contains(NOTE)).then("string_value")
    truth = pl.when("bool_value").then(pl.lit("true")).when(~pl.col("bool_value")).then(pl.lit("false"))
    return pl.coalesce(text, pl.col("int_value", "double_value").cast(pl.String), truth)


def _of(found: pl.DataFrame, owners: pl.Series, part: Part, keys: Sequence[str]) -> list[pl.Series]:
    """The values of each key by owner; of an attribute said twice the first in order of text."""
    mine = found.filter(part=int(part)).group_by("owner", "key").agg(pl.col("value").min())
    place = owners.alias("owner").cast(pl.Int32).to_frame()
    of_key = (mine.filter(key=key).select("owner", "value") for key in keys)
    return [place.join(values, on="owner", how="left", maintain_order="left")["value"] for values in of_key]
