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

IDENTITY = ("loop", "run", "run_parent", "role", "agent", "team", "user", "session")

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
        "tool": pl.String,
        "tool_call_id": pl.String,
        **dict.fromkeys(BUCKETS, pl.Int64),
        "usage_settled": pl.String,  # exact, derived, assumed: how the buckets were told apart
    }
)
