-- One row per blind service: it emits agent or tool spans, but no usage and no model call, and in some of their traces nobody else does.
-- [$since, $until) in UTC, null = no bound.
with silent as materialized (
    select coalesce(service, process, 'unattributed') as service
    from records
    where tenant = $tenant
      and ($since::timestamp is null or coalesce(ended_at, started_at) >= $since)
      and ($until::timestamp is null or coalesce(ended_at, started_at) < $until)
    group by all
    having bool_or(signal = 'span' and kind in ('agent', 'tool'))
       and not bool_or(kind in ('model', 'embedding', 'rerank') or coalesce(input_uncached_tokens, cache_read_tokens, cache_write_tokens,
           cache_write_5m_tokens, cache_write_1h_tokens, output_text_tokens, reasoning_tokens) is not null)
),
theirs as materialized (
    select
        coalesce(service, process, 'unattributed') as service, commit_no, ordinal, record_key, trace_id, runtime,
        coalesce(ended_at, started_at) as moment, signal = 'span' and kind in ('agent', 'tool') as acts
    from records
    where tenant = $tenant
      and coalesce(service, process, 'unattributed') in (select service from silent)
      and ($since::timestamp is null or coalesce(ended_at, started_at) >= $since)
      and ($until::timestamp is null or coalesce(ended_at, started_at) < $until)
),
metered as (
    select t.service
    from theirs t
    join record_details d using (commit_no, ordinal)
    where d.tenant = $tenant and d.measure is not null
),
told as (
    select trace_id
    from records
    where tenant = $tenant
      and trace_id in (select trace_id from theirs where acts)
      and (kind in ('model', 'embedding', 'rerank') or coalesce(input_uncached_tokens, cache_read_tokens, cache_write_tokens,
          cache_write_5m_tokens, cache_write_1h_tokens, output_text_tokens, reasoning_tokens) is not null)
)
select service, min(runtime) as runtime, count(distinct record_key) as records, min(moment) as first_at, max(moment) as last_at
from theirs
where acts and service not in (select service from metered) and trace_id not in (select trace_id from told)
group by service
