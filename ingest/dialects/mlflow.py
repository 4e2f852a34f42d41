"""MLflow tracing and its autologs.

Source: mlflow-skinny 3.17, tracing/constant.py; OpenAI recorded. Values are JSON, so strings carry quotes and the counts are inside
`mlflow.chat.tokenUsage`. No reasoning tokens. Unverified: whether every autolog counts cached tokens as input, so the total decides.
"""

import polars as pl

from ingest.dialects import gen_ai, inside
from ingest.dialects.dialect import COMMON, Dialect

_QUOTED = ("agent", "provider", "model_requested", "model_served", "tool", "session", "user")

_counts = {
    "reported_input": "input_tokens",
    "reported_output": "output_tokens",
    "reported_total": "total_tokens",
    "cache_read_tokens": "cache_read_input_tokens",
    "cache_write_total": "cache_creation_input_tokens",
    "cache_write_1h_tokens": "cache_creation_input_tokens_above_1hr",
}
_unquoted = {name: pl.col(name).str.strip_chars('"') for name in _QUOTED}
_tool = pl.coalesce(_unquoted["tool"], pl.when(pl.col("kind") == "tool").then("name"))

DIALECT = Dialect(
    name="mlflow",
    scopes=("mlflow.",),
    claims=("mlflow.",),
    names=("mlflow.",),
    base=gen_ai.DIALECT,
    fields={
        "word": ("mlflow.spanType",),
        "provider": ("mlflow.llm.provider",),
        "model_requested": ("gen_ai.request.model", "model"),
        "model_served": ("gen_ai.response.model", "mlflow.llm.model"),
        "session": (*COMMON["session"], "mlflow.trace.session"),
        "user": (*COMMON["user"], "mlflow.trace.user"),
        "details": ("mlflow.chat.tokenUsage",),
        "output": ("mlflow.spanOutputs",),
        "metadata": ("mlflow.llm.cost",),
    },
    kinds={
        "llm": "model",
        "chat_model": "model",
        "embedding": "embedding",
        "reranker": "rerank",
        "agent": "agent",
        "chain": "chain",
        "workflow": "chain",
        "task": "chain",
        "parser": "chain",
        "tool": "tool",
        "retriever": "retrieval",
        "guardrail": "guardrail",
        "evaluator": "evaluator",
    },
    refine={
        **{column: pl.coalesce(column, inside.count("details", key)) for column, key in _counts.items()},
        **_unquoted,
        "tool": _tool,
        "reported_usd": pl.coalesce("reported_usd", inside.amount("metadata", "total_cost")),
        "response_id": inside.response_id(),
    },
)
