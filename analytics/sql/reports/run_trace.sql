-- run_trace: one row for each span of some runs, and for each log record and metric point with a link, by start. `theirs` are the records of
-- the runs with their links. Of a record's revisions the greatest stands, of a call's charge versions the last.
with linked as materialized (  -- else a filter on keys is pushed into the frame, whose library takes no number over 2^63
    select * from theirs
),
kept as materialized (
    select *
    from records
    where tenant = $tenant
      and record_key in (select record_key from linked)
      and (signal = 'span' or record_key in (select record_key from linked where reason is not null))
    qualify row_number() over (
        partition by record_key
        order by
            ended_at is not null desc,
            coalesce(input_uncached_tokens, cache_read_tokens, cache_write_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
                output_text_tokens, reasoning_tokens) is not null desc,
            attribute_count desc,
            content_hash desc
    ) = 1
),
steps as (  -- the view whole_records would join every record first
    select k.*, d.measure, d.amount from kept k left join record_details d using (tenant, commit_no, ordinal)
),
charged as (
    select *
    from charges
    where tenant = $tenant and call_id in (select call_id from linked)
    qualify row_number() over (partition by call_id order by version desc, sign desc) = 1
)
select
    s.signal,
    lower(hex(s.trace_id)) as trace_id,
    lower(hex(s.span_id)) as span_id,
    lower(hex(case when s.signal = 'log' then s.span_id else s.parent_span_id end)) as parent_span_id,
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
    case
        when s.measure in ('input', 'input_uncached') then s.amount
        when s.input_uncached_tokens is not null then s.input_uncached_tokens + coalesce(s.cache_read_tokens, 0) + coalesce(s.cache_write_tokens, 0)
            + coalesce(s.cache_write_5m_tokens, 0) + coalesce(s.cache_write_1h_tokens, 0)
    end as input_tokens,
    case when s.measure = 'cache_read' then s.amount else s.cache_read_tokens end as cache_read_tokens,
    case
        when s.measure = 'cache_write' then s.amount
        when coalesce(s.cache_write_tokens, s.cache_write_5m_tokens, s.cache_write_1h_tokens) is not null
            then coalesce(s.cache_write_tokens, 0) + coalesce(s.cache_write_5m_tokens, 0) + coalesce(s.cache_write_1h_tokens, 0)
    end as cache_write_tokens,
    case
        when s.measure in ('output', 'output_text') then s.amount
        when s.output_text_tokens is not null then s.output_text_tokens + coalesce(s.reasoning_tokens, 0)
    end as output_tokens,
    case when s.measure = 'reasoning' then s.amount else s.reasoning_tokens end as reasoning_tokens,
    case when l.counts and c.sign = 1 then c.cost_usd end as cost_usd,
    l.counts,
    l.reason,
    l.remainder_tokens,
    case when l.counts then c.price_set end as price_set,
    case when l.counts then c.unpriced_reason end as unpriced_reason
from steps s
left join linked l using (record_key)
left join charged c on c.call_id = l.call_id
order by s.started_at, s.signal <> 'span', s.record_key
limit $limit
