"""OpenTelemetry GenAI semantic conventions, old names and new.

Source: open-telemetry/semantic-conventions v1.41.1 and open-telemetry/semantic-conventions-genai, docs/gen-ai.
`input_tokens` SHOULD include cached tokens and `output_tokens` reasoning ones; `cache_creation` was renamed `cache_write`.
"""

from ingest.dialects.dialect import Dialect

DIALECT = Dialect(
    name="gen_ai",
    claims="gen_ai.",
    fields={
        "word": ("gen_ai.operation.name",),
        "provider": ("gen_ai.provider.name", "gen_ai.system"),
        "model_requested": ("gen_ai.request.model",),
        "model_served": ("gen_ai.response.model",),
        "response_id": ("gen_ai.response.id",),
        "agent": ("gen_ai.agent.name",),
        "tool": ("gen_ai.tool.name",),
        "tool_call_id": ("gen_ai.tool.call.id", "gen_ai.tool.call_id"),
        "reported_input": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        "reported_output": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        "reported_total": ("gen_ai.usage.total_tokens", "llm.usage.total_tokens"),
        "cache_read_tokens": (
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.cached_input_tokens",
            "gen_ai.usage.details.cache_read_tokens",
        ),
        "cache_write_total": (
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.cache_write_input_tokens",
            "gen_ai.usage.details.cache_write_tokens",
        ),
        "cache_write_5m_tokens": ("anthropic.usage.cache_creation.ephemeral_5m_input_tokens",),
        "cache_write_1h_tokens": ("anthropic.usage.cache_creation.ephemeral_1h_input_tokens",),
        "reasoning_tokens": (
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.details.reasoning_tokens",
        ),
    },
    kinds={
        "chat": "model",
        "completion": "model",
        "text_completion": "model",
        "generate_content": "model",
        "embeddings": "embedding",
        "rerank": "rerank",
        "retrieval": "retrieval",
        "execute_tool": "tool",
        "create_agent": "agent",
        "invoke_agent": "agent",
        "invoke_workflow": "chain",
        "execute_task": "chain",
        "plan": "chain",
        "execute_event_loop_cycle": "chain",
    },
)
