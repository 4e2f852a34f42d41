"""What a dialect is: tables of which attribute means what, and the lookup that reads a whole batch through such tables at once."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from analytics.masks import known, spread_rows
from analytics.model import KINDS, MONEY, USAGE_ROLES
from ingest.wire import Attributes, Frames

TEXT = (
    "loop", "run", "run_parent", "role", "team", "user", "session", "service", "process", "agent", "word", "provider", "model_requested",
    "model_served", "response_id", "request_id", "tool", "tool_call_id", "mcp_server", "error_type", "event_id", "token_type", "execution",
    "service_tier", "speed", "currency", "output", "details", "metadata", "note",
)  # fmt: skip
"""Columns read as text. `word` is the runtime's own word for the kind; `token_type` says what a metric point counts,
`event_id` is the runtime's own id of a log record, by which it may send it twice; `execution` is the run where nothing names one and it is
better than the trace: an id that everything one execution emits carries.

`output`, `details` and `metadata` hold content or texts with facts inside, and `note` anything a `refine` wants to look at: they are read
for it and dropped.
"""

COUNTS = (
    "reported_input", "reported_output", "reported_total", "cache_read_tokens", "cache_write_total", "cache_write_5m_tokens",
    "cache_write_1h_tokens", "reasoning_tokens", "audio_input_tokens", "audio_output_tokens", "image_input_tokens", "web_searches",
    "reported_micro_usd",
)  # fmt: skip
"""Columns read as whole numbers; a value that is no whole number from 0 to a trillion is null."""
_MOST = 10**12
"""A larger number counts no tokens, and ten million sums of it would not fit."""

AMOUNTS = ("reported_usd",)
"""Columns read as US dollars."""

COMMON: Mapping[str, tuple[str, ...]] = {
    "loop": ("loopledger.loop", "loop.name"),
    "run": ("loopledger.run.id",),
    "run_parent": ("loopledger.run.parent",),
    "role": ("loopledger.role",),
    "team": ("team.id", "team"),
    "user": ("user.email", "user.id", "enduser.id"),
    "session": ("session.id", "gen_ai.conversation.id"),
    "service": ("service.name",),
    "process": ("service.instance.id",),
    "error_type": ("error.type",),
    "service_tier": (
        "gen_ai.response.service_tier",
        "openai.response.service_tier",
        "gen_ai.openai.response.service_tier",
        "anthropic.response.service_tier",
        "gen_ai.usage.service_tier",
    ),
    "web_searches": ("gen_ai.usage.web_search_requests", "gen_ai.usage.server_tool_use.web_search_requests"),
}
"""The identity contract and OpenTelemetry's own names; every dialect reads these too, and resources are read through them alone."""


@dataclass(frozen=True)
class Dialect:
    """One runtime family's telemetry: canonical column <- attribute keys, best first.

    A record is in the first dialect, in the order of DIALECTS, that claims it by any of `scopes`, `claims`, `names` or `services`.
    """

    name: str
    scopes: tuple[str, ...] = ()
    """Beginnings of the names of its instrumentation scopes."""
    claims: tuple[str, ...] = ()
    """Beginnings of attribute keys that only it writes."""
    names: tuple[str, ...] = ()
    """Beginnings of the names of its log records and metrics."""
    services: tuple[str, ...] = ()
    """Beginnings of `service.name`, for runtimes that speak through a library's instrumentation."""
    base: "Dialect | None" = None
    """A dialect whose words it uses too, after its own."""
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    """The runtime's word for a kind, in lower case -> analytics.model.Kind; other words become "other". A record without a word is looked
    up by its own name with an @ before it."""
    usage_roles: Mapping[str, str] = field(default_factory=dict)
    """Kind -> what usage on such a record means, see analytics.model.USAGE_ROLES; unsaid kinds that are no call are a sum."""
    metrics: Mapping[str, Mapping[str | None, str]] = field(default_factory=dict)
    """Name of a metric -> value of `token_type`, None for metrics without one -> analytics.model.MEASURES_OF_POINTS."""
    input_includes_cache: bool | None = None
    """None where nobody knows: then the reported total decides, else it is assumed, and said so."""
    output_includes_reasoning: bool = True
    refine: Mapping[str, pl.Expr] = field(default_factory=dict)
    """What no table can say: canonical column <- expression over the columns read, for this dialect's records alone. Beside those there are
    `name`, `kind`, `runtime`, `usage_role`, `input_includes_cache` and `traced`, whether a record knows its trace."""
    verified: bool = True
    """Whether recordings of it were checked against the provider's bill."""

    @cached_property
    def all_fields(self) -> dict[str, tuple[str, ...]]:
        """Canonical column -> keys, its own before its base's before those everybody writes."""
        inherited = self.base.all_fields if self.base else COMMON
        return {column: (*self.fields.get(column, ()), *inherited.get(column, ())) for column in {**inherited, **self.fields}}

    @cached_property
    def places(self) -> dict[str, tuple[str, int]]:
        """Attribute key -> (canonical column, rank among the column's keys)."""
        return {key: (column, rank) for column, keys in self.all_fields.items() for rank, key in reversed([*enumerate(keys)])}

    @cached_property
    def all_kinds(self) -> dict[str, str]:
        return {**(self.base.all_kinds if self.base else {}), **self.kinds}

    @cached_property
    def all_metrics(self) -> dict[str, Mapping[str | None, str]]:
        return {**(self.base.all_metrics if self.base else {}), **self.metrics}

    @cached_property
    def all_refine(self) -> dict[str, pl.Expr]:
        return {**(self.base.all_refine if self.base else {}), **self.refine}

    @cached_property
    def refinements(self) -> list[list[pl.Expr]]:
        """The steps in which this dialect's own records are refined, for a frame of nothing else."""
        better = [expression.alias(column) for column, expression in self.all_refine.items()]
        role = pl.coalesce("usage_role", pl.col("kind").replace_strict(self._roles, default=None, return_dtype=pl.String))
        return [step for step in (better, [role] if self._roles else []) if step]

    @cached_property
    def refinements_among_others(self) -> list[list[pl.Expr]]:
        """The same for a frame in which there are other dialects' records too."""
        is_ours = pl.col("dialect") == self.name
        return [
            [pl.when(is_ours).then(one).otherwise(pl.col(name := one.meta.output_name())).alias(name) for one in step]
            for step in self.refinements
        ]

    @property
    def _roles(self) -> dict[str, str]:
        return {kind: role for kind, role in self.usage_roles.items() if role in USAGE_ROLES}


Coded = tuple[list[str], np.ndarray]
"""Distinct words, and the place of each row's word among them."""


def coded(words: pa.Array) -> Coded:
    """Distinct words and the place of each among them; no word is the empty one."""
    encoded = pc.fill_null(words, "").dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False)


def choose(frames: Frames, coded_keys: Coded, names: pl.Series, services: pl.Series, dialects: Sequence[Dialect]) -> np.ndarray:
    """The dialect of each record, as its place in `dialects`; records nobody claims are in the last one. `services`: of each resource."""
    keys, key = coded_keys
    facts = _facts(frames, names, services)
    chosen = np.full(frames.records.num_rows, len(dialects) - 1)
    doubtful = _claimed_by_any(keys, dialects)
    some = [keys[number] for number in doubtful]
    for place in reversed(range(len(dialects) - 1)):
        dialect = dialects[place]
        if (ours := _begin(some, dialect.claims)).any():
            claimed = np.zeros(len(keys), bool)
            claimed[doubtful[ours]] = True
            chosen[frames.attributes.owner[claimed[key]]] = place
        for fact, (words, code) in facts.items():
            if (ours := _begin(words, getattr(dialect, fact))).any():
                chosen[ours[code]] = place
    return chosen


def _claimed_by_any(keys: list[str], dialects: Sequence[Dialect]) -> np.ndarray:
    """The places of keys that some dialect claims; all of them unless there are so many that to ask each dialect for each takes long."""
    if len(keys) <= _MANY:
        return np.arange(len(keys))
    claims = "|".join(re.escape(claim) for dialect in dialects for claim in dialect.claims)
    return np.flatnonzero(pc.match_substring_regex(pa.array(keys, pa.string()), f"^(?:{claims})").to_numpy(zero_copy_only=False))


def _facts(frames: Frames, names: pl.Series, services: pl.Series) -> dict[str, Coded]:
    """What a dialect may claim a record by beside its keys: distinct words and, for each record, the place of its own."""
    scopes, scope = coded(frames.scopes["name"].combine_chunks())
    hosts, host = coded(services.to_arrow().cast(pa.string()))
    facts = {
        "scopes": (scopes, scope[frames.records["scope"].to_numpy()]),
        "services": (hosts, host[frames.records["resource"].to_numpy()]),
    }
    return facts if frames.signal == "traces" else {**facts, "names": coded(names.to_arrow().cast(pa.string()))}


def _begin(words: Sequence[str], beginnings: tuple[str, ...]) -> np.ndarray:
    return np.array([bool(beginnings) and word.startswith(beginnings) for word in words], bool)


def read(attributes: Attributes, coded_keys: Coded, chosen: np.ndarray, dialects: Sequence[Dialect]) -> pl.DataFrame:
    """One row per record with the TEXT, COUNTS and AMOUNTS columns, each from the best key that its dialect names for it."""
    count, names, (keys, codes) = len(chosen), (*TEXT, *COUNTS, *AMOUNTS), coded_keys
    column_of, rank_of = _lookup(keys, names, dialects, np.unique(chosen))
    dialect = chosen[attributes.owner]
    column = column_of[dialect, codes]
    rows = np.flatnonzero(column >= 0)
    # Worst first: NumPy keeps the last write, which is the best key and the first of duplicates.
    is_text = column[rows] < len(TEXT)
    worth = 2 * rank_of[dialect[rows], codes[rows]] + np.where(is_text, _unlike_text(attributes.rows)[rows], 0)
    rows = rows[np.argsort(worth.astype(np.int16), kind="stable")][::-1]
    said, place = np.unique(column[rows], return_inverse=True)
    position = np.full(len(said) * count, -1)
    position[place * count + attributes.owner[rows]] = rows
    table = spread_rows(_NOTHING, np.zeros(count, np.int64))
    for number, places in zip(said.tolist(), position.reshape(len(said), count), strict=True):
        table.replace_column(number, _taken(attributes.rows, places, names[number]))
    return table


_LAST = 1000  # behind any rank


def _unlike_text(rows: pa.StructArray) -> np.ndarray:
    """0 for texts, 1 for anything else, so that of a key said twice the text holds; an empty text says nothing and comes last."""
    length = pc.binary_length(rows.field("string_value"))
    return pc.if_else(pc.equal(length, 0), _LAST, 0).fill_null(1).to_numpy(zero_copy_only=False)


def word_kinds(words: pl.Series, names: pl.Series, chosen: np.ndarray, dialects: Sequence[Dialect]) -> pl.Series:
    """The runtime's words for kinds, else the names of records -> kinds; null where neither says one. Some quote their words."""
    spoken, by_word = coded(words.to_arrow().cast(pa.string()))
    silent = ~known(words)
    called, by_name = coded(names.to_arrow().cast(pa.string())) if silent.any() else ([], np.zeros(len(chosen), np.int64))
    kind = np.full(len(chosen), -1)
    for place in np.unique(chosen):
        kinds, ours = dialects[place].all_kinds, chosen == place
        of_words = np.array([_KIND_OF[kinds.get(word.lower().strip('"'), "other")] for word in spoken], np.int64)
        of_names = np.array([_KIND_OF.get(kinds.get(f"@{name}"), -1) for name in called], np.int64)
        kind[ours] = of_words[by_word[ours]]
        kind[ours & silent] = of_names[by_name[ours & silent]]
    return pl.Series("kind", _KIND_NAMES.take(pa.array(kind, mask=kind < 0)))


_MANY = 2000
_KIND_NAMES = pa.array(KINDS)
_KIND_OF = {kind: number for number, kind in enumerate(KINDS)}


def _lookup(keys: list[str], names: Sequence[str], dialects: Sequence[Dialect], present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    place = {name: i for i, name in enumerate(names)}
    column_of, rank_of = np.full((len(dialects), len(keys)), -1, np.int16), np.zeros((len(dialects), len(keys)), np.int16)
    for number in present:
        found = [dialects[number].places.get(key) for key in keys]
        column_of[number] = [-1 if f is None else place[f[0]] for f in found]
        rank_of[number] = [0 if f is None else f[1] for f in found]
    return column_of, rank_of


def _taken(rows: pa.StructArray, places: np.ndarray, name: str) -> pl.Series:
    parse, type_ = _PARSE[name]
    said = pl.Series(name, parse(rows, pa.array(places, mask=places < 0)), strict=False)
    return said if said.dtype == type_ else said.cast(type_, strict=False)


def _text(rows: pa.StructArray, places: pa.Array) -> pa.Array:
    """Texts as they are, and null for an empty one, which says nothing; a team or user given as a number is still a name."""
    text = rows.field("string_value").take(places)
    if text.null_count > places.null_count:
        other = (rows.field(name).take(places).cast(pa.string()) for name in ("int_value", "bool_value"))
        text = pc.coalesce(text, *other)
    return pc.if_else(pc.equal(text, ""), None, text)


def _count(rows: pa.StructArray, places: pa.Array) -> pa.Array:
    """Whole numbers from integers, whole doubles below 2**53 and digits; anything else is null, for a wrong count is worse than none."""
    whole = rows.field("int_value").take(places)
    if whole.null_count > places.null_count:
        number, text = rows.field("double_value").take(places), rows.field("string_value").take(places)
        is_whole = pc.and_(pc.equal(number, pc.floor(number)), pc.less(pc.abs(number), 2.0**53))
        digits = pc.match_substring_regex(text, r"^[0-9]{1,18}$")
        whole = pc.coalesce(
            whole,
            pc.if_else(is_whole, number, None).cast(pa.int64()),
            pc.if_else(digits, text, None).cast(pa.int64()),
        )
    return pc.if_else(pc.or_(pc.less(whole, 0), pc.greater(whole, _MOST)), None, whole)


def _amount(rows: pa.StructArray, places: pa.Array) -> pa.Array:
    """Dollars from doubles and whole numbers from 0 to a billion; anything else is null."""
    number = pc.coalesce(rows.field("double_value").take(places), rows.field("int_value").take(places).cast(pa.float64(), safe=False))
    return pc.if_else(pc.and_(pc.greater_equal(number, 0.0), pc.less(number, 1e9)), number, None)


_Parse = Callable[[pa.StructArray, pa.Array], pa.Array]
_PARSE: dict[str, tuple[_Parse, pl.DataType]] = {
    **dict.fromkeys(TEXT, (_text, pl.String())),
    **dict.fromkeys(COUNTS, (_count, pl.Int64())),
    **dict.fromkeys(AMOUNTS, (_amount, MONEY)),
}
_NOTHING = pl.DataFrame({name: pl.Series([None], dtype=type_) for name, (_, type_) in _PARSE.items()})
"""A row that says nothing."""
