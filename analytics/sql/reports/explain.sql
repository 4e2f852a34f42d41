-- explain: one row for each call of some runs and each record it was seen in, then one for each record that says usage and is of no call.
-- `theirs` are the records of the runs with their links. Entries, calls or such records, are numbered; $limit of them from $first on.
-- [$since, $until) in UTC, null = no bound. Unit prices are US dollars for a single token, call or second.
with linked as materialized (  -- else a filter on keys is pushed into the frame, whose library takes no number over 2^63
    select * from theirs where reason is not null
),
kept as materialized (
    select *
    from records
    where tenant = $tenant and record_key in (select record_key from linked)
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
seen as (  -- the view whole_records would join every record first
    select k.*, d.* exclude (tenant, commit_no, ordinal) from kept k left join record_details d using (tenant, commit_no, ordinal)
),
charged as (
    select *
    from charges
    where tenant = $tenant and call_id in (select call_id from linked)
    qualify row_number() over (partition by call_id order by version desc, sign desc) = 1
),
priced as (
    select * from prices qualify row_number() over (partition by price_set, price_book) = 1
),
entries as (
    select
        l.record_key,
        dense_rank() over (
            order by c.call_id is null, coalesce(c.happened_at, s.ended_at, s.started_at), coalesce(c.call_id, l.record_key)
        ) - 1 as entry
    from linked l
    join seen s using (record_key)
    left join charged c on c.call_id = l.call_id
    where ($since::timestamp is null or coalesce(c.happened_at, s.ended_at, s.started_at) >= $since)
      and ($until::timestamp is null or coalesce(c.happened_at, s.ended_at, s.started_at) < $until)
)
select
    e.entry,
    printf('%016x', c.call_id) as call,
    c.happened_at,
    c.call_kind as kind,
    c.loop,
    c.run,
    c.team,
    coalesce(c.agent, l.agent, s.agent) as agent,
    coalesce(c.role, l.role, s.role) as role,
    coalesce(c.provider, s.provider) as provider,
    coalesce(c.model, s.model_requested, s.model_served) as model,
    coalesce(c.model_served, s.model_served) as model_served,
    coalesce(c.tool, s.tool) as tool,
    case when c.usage_known > 0 then coalesce(c.input_uncached_tokens, 0) + coalesce(c.cache_read_tokens, 0) + coalesce(c.cache_write_tokens, 0)
        + coalesce(c.cache_write_5m_tokens, 0) + coalesce(c.cache_write_1h_tokens, 0) end as input_tokens,
    c.cache_read_tokens,
    case when c.cache_write_known > 0 then coalesce(c.cache_write_tokens, 0) + coalesce(c.cache_write_5m_tokens, 0)
        + coalesce(c.cache_write_1h_tokens, 0) end as cache_write_tokens,
    c.cache_write_1h_tokens,
    case when c.usage_known > 0 then coalesce(c.output_text_tokens, 0) + coalesce(c.reasoning_tokens, 0) end as output_tokens,
    c.reasoning_tokens,
    c.unit,
    c.quantity,
    c.list_usd,
    c.contracted_usd,
    c.cost_usd,
    c.basis,
    c.contract,
    c.owner_rule,
    c.loop_rule,
    c.price_set,
    c.price_book,
    p.source as price_source,
    p.input_usd as input_unit_usd,
    p.cache_read_usd as cache_read_unit_usd,
    p.cache_write_usd as cache_write_unit_usd,
    p.cache_write_1h_usd as cache_write_1h_unit_usd,
    p.output_usd as output_unit_usd,
    p.reasoning_usd as reasoning_unit_usd,
    p.call_usd as call_unit_usd,
    p.second_usd as second_unit_usd,
    c.unpriced_reason,
    l.counts,
    l.reason,
    l.remainder_tokens,
    s.signal,
    s.name,
    s.kind as record_kind,
    s.dialect,
    s.runtime,
    s.service,
    lower(hex(s.trace_id)) as trace_id,
    lower(hex(s.span_id)) as span_id,
    s.response_id,
    s.request_id,
    s.started_at,
    s.ended_at,
    case when s.input_uncached_tokens is not null then s.input_uncached_tokens + coalesce(s.cache_read_tokens, 0)
        + coalesce(s.cache_write_tokens, 0) + coalesce(s.cache_write_5m_tokens, 0) + coalesce(s.cache_write_1h_tokens, 0) end as said_input_tokens,
    s.cache_read_tokens as said_cache_read_tokens,
    case when coalesce(s.cache_write_tokens, s.cache_write_5m_tokens, s.cache_write_1h_tokens) is not null then coalesce(s.cache_write_tokens, 0)
        + coalesce(s.cache_write_5m_tokens, 0) + coalesce(s.cache_write_1h_tokens, 0) end as said_cache_write_tokens,
    case when s.output_text_tokens is not null then s.output_text_tokens + coalesce(s.reasoning_tokens, 0) end as said_output_tokens,
    s.reasoning_tokens as said_reasoning_tokens,
    s.measure,
    s.amount,
    s.usage_role,
    s.usage_settled,
    s.reported_usd
from entries e
join linked l using (record_key)
join seen s using (record_key)
left join charged c on c.call_id = l.call_id
left join priced p on p.price_set = c.price_set and p.price_book = c.price_book
where e.entry >= $first and ($limit::bigint is null or e.entry < $first + $limit)
order by e.entry, l.counts desc, s.started_at, l.record_key
