"""Evidence: redacted attributes in compressed blobs, read again only when somebody opens a trace or a recount needs them."""

from collections.abc import Iterable, Sequence
from enum import IntEnum

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import zstandard

from analytics.model import RECORD


class Part(IntEnum):
    """Of what an attribute is."""

    ATTRIBUTE = 0
    EVENT = 1
    RESOURCE = 2
    VALUE = 3


EVIDENCE = pa.schema(
    {
        "part": pa.int8(),
        "owner": pa.int32(),  # ordinal of the record in its commit; of a RESOURCE part, its number in the commit
        "nth": pa.int32(),  # which event of the record
        "key": pa.dictionary(pa.int32(), pa.string()),
        "string_value": pa.string(),
        "bool_value": pa.bool_(),
        "int_value": pa.int64(),
        "double_value": pa.float64(),
        "array_value": pa.binary(),  # an OTLP ArrayValue
        "kvlist_value": pa.binary(),  # an OTLP KeyValueList
        "bytes_value": pa.binary(),
    }
)
NOTHING = pl.DataFrame(schema={name: kind for name, kind in RECORD.items() if name != "tenant"}), EVIDENCE.empty_table()
"""No records, and their evidence."""
ERASED = "loopledger.erased"
"""Key of the one attribute that an erased record has left."""
NOTE = r"^\[redacted: \d+ (?:characters|bytes)(?:, [0-9a-f]+)?\]$"
"""What stands where a text left, see `note`."""
_LEVEL = 1


def note(length: int, unit: str, keyed: str) -> str:
    """What is stored instead of a text that may not be: how long it was, and its keyed hash."""
    return f"[redacted: {length} {unit}, {keyed}]"


def pack(table: pa.Table) -> bytes:
    """An evidence table -> a blob."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, EVIDENCE) as stream:
        stream.write_table(table.unify_dictionaries().combine_chunks())
    return zstandard.ZstdCompressor(_LEVEL).compress(sink.getvalue())


def unpack(blob: bytes) -> pa.Table:
    """A blob -> its evidence table."""
    return pa.ipc.open_stream(zstandard.ZstdDecompressor().decompress(blob)).read_all()


def select(table: pa.Table, ordinals: np.ndarray, resources: np.ndarray) -> pa.Table:
    """The rows of the records that are kept. `ordinals[row]` is a record's place in its commit, -1 when it is not kept; `resources`
    likewise for resource numbers."""
    part, owner = table["part"].to_numpy(), table["owner"].to_numpy()
    is_resource = part == Part.RESOURCE
    place = np.full(len(owner), -1, np.int32)
    place[~is_resource] = ordinals[owner[~is_resource]]
    place[is_resource] = resources[owner[is_resource]]
    kept = table.set_column(table.schema.get_field_index("owner"), EVIDENCE.field("owner"), pa.array(place))
    return kept.filter(pa.array(place >= 0))


def moved(table: pa.Table, rows: int, resources: int) -> pa.Table:
    """The same evidence with its owners moved up by so many records or resources."""
    owner = table["owner"].to_numpy() + np.where(table["part"].to_numpy() == Part.RESOURCE, resources, rows)
    return table.set_column(table.schema.get_field_index("owner"), EVIDENCE.field("owner"), pa.array(owner, pa.int32()))


def together(parts: Sequence[tuple[pl.DataFrame, pa.Table]]) -> tuple[pl.DataFrame, pa.Table]:
    """Several records with their evidence, whose owners are rows of theirs or numbers in `resource`, as one: those of the later ones are
    moved up."""
    if len(parts) == 1:
        return parts[0]
    records, tables, rows, used = [], [], 0, 0
    for part, table in parts:
        records.append(part.with_columns(pl.col("resource") + used))
        tables.append(moved(table, rows, used))
        rows += part.height
        used += max(resources(table), int(part["resource"].to_numpy().max(initial=-1)) + 1)
    return pl.concat(records), pa.concat_tables(tables)


def erased(table: pa.Table) -> np.ndarray:
    """Ordinals of the records whose evidence was erased: what is stored of them is not read again."""
    mine = pc.and_(pc.equal(table["part"], int(Part.ATTRIBUTE)), pc.equal(table["key"].cast(pa.string()), ERASED))
    return np.unique(table["owner"].filter(mine).to_numpy())


def unpacked(blobs: Iterable[bytes]) -> pa.Table:
    """The evidence of a commit from its blobs."""
    tables = [unpack(blob) for blob in blobs]
    return pa.concat_tables(tables) if tables else EVIDENCE.empty_table()


def resources(table: pa.Table) -> int:
    """How many resource numbers are in use, the highest plus one."""
    return int(table["owner"].to_numpy()[table["part"].to_numpy() == Part.RESOURCE].max(initial=-1)) + 1


def attributes_of(blob: bytes, ordinals: list[int]) -> pl.DataFrame:
    """Columns owner, nth (null for the record itself), key, value as text: what a trace page shows of some records."""
    rows = pl.from_arrow(unpack(blob)).filter(pl.col("owner").is_in(ordinals), pl.col("part").is_in([Part.ATTRIBUTE, Part.EVENT]))
    texts = [pl.col(name).cast(pl.String) for name in ("string_value", "bool_value", "int_value", "double_value")]
    return rows.select(
        "owner",
        pl.when(pl.col("part") == Part.EVENT).then("nth").alias("nth"),
        pl.col("key").cast(pl.String),
        pl.coalesce(texts).alias("value"),
    )
