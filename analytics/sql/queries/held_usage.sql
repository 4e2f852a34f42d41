-- Usage that no call has: what waits, and what sums and metrics hold beyond the calls they cover. One row per finding, reason, service,
-- runtime and model. [$since, $until) in UTC, null = no bound.
with held as materialized (
    select *
    from (
        select record_key, reason, remainder_tokens
        from links
        where tenant = $tenant
          and record_key in (select record_key from links where tenant = $tenant and (reason like 'waits%' or remainder_tokens > 0))
        qualify row_number() over (partition by record_key order by commit_no desc) = 1
    )
    where reason like 'waits%' or remainder_tokens > 0
),
seen as (
    select
        record_key, signal, service, process, runtime, coalesce(model_requested, model_served) as model,
        coalesce(ended_at, started_at) as at_time,
        coalesce(input_uncached_tokens, 0) + coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0)
            + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0) + coalesce(output_text_tokens, 0)
            + coalesce(reasoning_tokens, 0) as tokens
    from records
    where tenant = $tenant and record_key in (select record_key from held)
    qualify row_number() over (
        partition by record_key order by ended_at is not null desc, tokens > 0 desc, attribute_count desc, content_hash desc
    ) = 1
)
select
    case when h.reason like 'waits%' then 'waiting' else 'remainder' end as finding,
    h.reason as detail,
    coalesce(s.service, s.process, 'unattributed') as service,
    s.runtime,
    s.model,
    count(*) as records,
    sum(case when h.reason not like 'waits%' then h.remainder_tokens when s.signal <> 'point' then s.tokens end)::bigint as tokens,
    min(s.at_time) as first_at,
    max(s.at_time) as last_at
from held h
join seen s using (record_key)
where ($since::timestamp is null or s.at_time >= $since)
  and ($until::timestamp is null or s.at_time < $until)
group by all
