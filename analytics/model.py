"""The vocabulary as types: the columns of a record and of a charge, their units, and what null means.

Frames travel under these schemas from the dialects to the ledger. Null always means "not said", never zero.
"""

from typing import Literal, get_args

import polars as pl

Kind = Literal[
    "model", "embedding", "rerank", "tool", "sandbox", "agent", "chain", "retrieval", "guardrail", "evaluator", "approval", "other"
]
KINDS: tuple[str, ...] = get_args(Kind)
MODEL_KINDS = ("model", "embedding", "rerank")
"""Kinds that a model provider bills by tokens."""

Action = Literal["warn", "pause", "stop", "kill", "resume"]
SEVERITY = {"warn": 0, "pause": 1, "stop": 2, "kill": 3}
"""Orders to a run, mildest first. Everything above warn is a stop condition."""

Role = Literal["maker", "checker", "orchestrator", "other"]

UNATTRIBUTED = "unattributed"
"""The named owner of whatever nobody claimed."""

MONEY = pl.Decimal(18, 9)
"""US dollars."""
UNIT_PRICE = pl.Decimal(38, 18)
"""US dollars for a single token, call or second."""

TIME = pl.Datetime("us")
"""UTC."""

BUCKETS = (
    "input_uncached_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_text_tokens",
    "reasoning_tokens",
)
"""Disjoint: a token is in exactly one. `cache_write_tokens` holds only writes whose lifetime nobody told."""

SPLITS = ("audio_input_tokens", "audio_output_tokens", "image_input_tokens")
"""Subsets of the buckets, kept for whoever prices them apart; never added to anything."""

USAGE_ROLES = ("sum", "own", "lifetime", "partial", "echo", "free")
"""What the usage on a record means where it is not simply that of the record's own call.

sum: of everything below · own: of its own agent, without agents below · lifetime: of the agent object, earlier runs included · partial: not
to be trusted, never counted · echo: of the sibling call before it · free: of a call that nobody bills, such as a cache hit.
"""

FLOWING = ("agent", "role", "team", "user", "session", "loop", "run", "run_parent")
"""Whose a record is: what it does not say itself, the nearest span above it says."""
OF_RESOURCE = ("role", "team", "user", "session", "loop", "run", "run_parent")
"""Of these, what a record's resource said for it, as bits of the column `of_resource`: any span above outranks a resource."""

DETAILS = (
    "request_id", "mcp_server", "audio_input_tokens", "audio_output_tokens", "image_input_tokens", "usage_role", "reasoning_apart",
    "reported_usd", "conditions", "web_searches", "claim", "series_key", "measure", "amount", "is_cumulative",
)  # fmt: skip
"""Columns of a record that few records have."""

MEASURES_OF_POINTS = ("input", "input_uncached", "cache_read", "cache_write", "output", "output_text", "reasoning")
"""What a metric point counts. `input` includes cached tokens and `output` reasoning ones; the others are disjoint."""

RECORD = pl.Schema(
    {
        "tenant": pl.String,
        "signal": pl.String,  # span, log, point
        "ordinal": pl.Int32,  # position in its commit; evidence refers to it
        "record_key": pl.UInt64,  # what a resend repeats
        "content_hash": pl.UInt64,
        "attribute_count": pl.Int32,
        "resource": pl.Int32,  # number of its resource in its commit; evidence refers to it
        "trace_id": pl.Binary,
        "span_id": pl.Binary,
        "parent_span_id": pl.Binary,  # null for a root
        "name": pl.String,
        "kind": pl.String,
        "dialect": pl.String,
        "runtime": pl.String,  # instrumentation scope
        "service": pl.String,
        "started_at": TIME,
        "ended_at": TIME,  # null while a span is open
        "clock_skewed": pl.Boolean,  # no end, or one in the receiver's future: receive time stands instead
        "failed": pl.Boolean,
        "error_type": pl.String,
        "loop": pl.String,
        "run": pl.String,
        "run_parent": pl.String,
        "role": pl.String,
        "agent": pl.String,  # as this record says; the charge knows the ancestors' too
        "team": pl.String,
        "user": pl.String,
        "session": pl.String,
        "provider": pl.String,
        "model_requested": pl.String,
        "model_served": pl.String,
        "response_id": pl.String,
        "request_id": pl.String,
        "process": pl.String,  # service.instance.id, else service.name
        "of_resource": pl.Int8,  # bits: which of OF_RESOURCE its resource said
        "tool": pl.String,
        "tool_call_id": pl.String,
        "mcp_server": pl.String,
        **dict.fromkeys(BUCKETS, pl.Int64),
        **dict.fromkeys(SPLITS, pl.Int64),
        "usage_settled": pl.String,  # exact, derived, assumed: how the buckets were told apart
        "usage_role": pl.String,  # see USAGE_ROLES
        "reasoning_apart": pl.Boolean,  # true where the runtime leaves reasoning out of its output counts, else null
        "reported_usd": MONEY,  # what the runtime says it cost
        "conditions": pl.String,  # of its price: `processing=batch`, or several in key order with commas between; null for none
        "web_searches": pl.Int64,  # that its provider ran and bills
        "claim": pl.String,  # the team or loop that it named and may not, or "" for none: its credential's team stands instead; else null
        "tags": pl.String,  # JSON object of those of its and its resource's attributes that owners.yaml asks for; null for none
        "series_key": pl.UInt64,  # of a metric point: its resource, scope, name and attributes
        "measure": pl.String,  # of a metric point, see MEASURES_OF_POINTS
        "amount": pl.Int64,
        "is_cumulative": pl.Boolean,
    }
)
