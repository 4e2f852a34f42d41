-- Spans and log records of the traces in which tools were used or approvals asked in [$since, $until) UTC, null = no bound, and what of these
-- is in no trace: the standing revision of each.
with used as materialized (
    select record_key, trace_id
    from records
    where tenant = $tenant
      and kind in ('tool', 'sandbox', 'approval')
      and signal <> 'point'
      and ($since::timestamp is null or coalesce(ended_at, started_at) >= $since)
      and ($until::timestamp is null or coalesce(ended_at, started_at) < $until)
),
kept as (
    select tenant, commit_no, ordinal, record_key, signal, trace_id, span_id, parent_span_id, name, kind, dialect, tool, tool_call_id,
        coalesce(ended_at, started_at) as at, agent, role, team, "user", session, loop, run, run_parent, of_resource
    from records
    where tenant = $tenant
      and signal <> 'point'
      and (record_key in (select record_key from used) or trace_id in (select trace_id from used where trace_id is not null))
    qualify row_number() over (
        partition by record_key
        order by
            ended_at is not null desc,
            coalesce(input_uncached_tokens, cache_read_tokens, cache_write_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
                output_text_tokens, reasoning_tokens) is not null desc,
            attribute_count desc,
            content_hash desc
    ) = 1
)
select k.* exclude (tenant, commit_no, ordinal), d.mcp_server, record_key in (select record_key from used) as is_used
from kept k
left join record_details d using (tenant, commit_no, ordinal)
