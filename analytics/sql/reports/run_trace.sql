-- run_trace: one row per span of a run, by start. Of a span's revisions the greatest stands, of its links the newest, of a call's charge
-- versions the last.
with steps as (
    select *
    from records
    where tenant = $tenant and run = $run and signal = 'span'
    qualify row_number() over (
        partition by record_key
        order by
            ended_at is not null desc,
            (input_uncached_tokens is not null or output_text_tokens is not null) desc,
            attribute_count desc,
            content_hash desc
    ) = 1
),
linked as (
    select *
    from links
    where tenant = $tenant and record_key in (select record_key from steps)
    qualify row_number() over (partition by record_key order by commit_no desc) = 1
),
charged as (
    select *
    from charges
    where tenant = $tenant and call_id in (select call_id from linked)
    qualify row_number() over (partition by call_id order by version desc, sign desc) = 1
)
select
    lower(hex(s.trace_id)) as trace_id,
    lower(hex(s.span_id)) as span_id,
    lower(hex(s.parent_span_id)) as parent_span_id,
    s.name,
    s.kind,
    coalesce(c.agent, l.agent, s.agent) as agent,
    coalesce(c.role, l.role, s.role) as role,
    coalesce(c.model, s.model_requested, s.model_served) as model,
    s.tool,
    s.started_at,
    s.ended_at,
    date_diff('millisecond', s.started_at, s.ended_at) as duration_ms,
    coalesce(s.failed, false) as failed,
    s.error_type,
    case when s.input_uncached_tokens is not null then s.input_uncached_tokens + coalesce(s.cache_read_tokens, 0) + coalesce(s.cache_write_tokens, 0)
        + coalesce(s.cache_write_5m_tokens, 0) + coalesce(s.cache_write_1h_tokens, 0) end as input_tokens,
    s.cache_read_tokens,
    case when s.cache_write_tokens is not null or s.cache_write_5m_tokens is not null or s.cache_write_1h_tokens is not null
        then coalesce(s.cache_write_tokens, 0) + coalesce(s.cache_write_5m_tokens, 0) + coalesce(s.cache_write_1h_tokens, 0) end as cache_write_tokens,
    case when s.output_text_tokens is not null then s.output_text_tokens + coalesce(s.reasoning_tokens, 0) end as output_tokens,
    s.reasoning_tokens,
    case when l.counts and c.sign = 1 then c.cost_usd end as cost_usd,
    l.counts,
    case
        when l.reason is not null then l.reason
        when s.input_uncached_tokens is not null or s.output_text_tokens is not null then 'a sum over the calls below it'
    end as reason,
    case when l.counts then c.price_set end as price_set,
    case when l.counts then c.unpriced_reason end as unpriced_reason
from steps s
left join linked l using (record_key)
left join charged c on c.call_id = l.call_id
order by s.started_at, s.record_key
limit $limit
