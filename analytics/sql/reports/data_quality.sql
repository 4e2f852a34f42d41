-- data_quality: what is less than certain about the calls that are charged, and clocks that cannot be right. One row per finding, detail,
-- service, runtime and model; a call may be in several findings. [$since, $until) in UTC, null = no bound.
with standing as (
    select *
    from charges
    where tenant = $tenant
      and ($since::timestamp is null or happened_at >= $since)
      and ($until::timestamp is null or happened_at < $until)
    qualify row_number() over (partition by call_id order by version desc, sign desc) = 1 and sign = 1
),
linked as (
    select record_key, arg_max(call_id, commit_no) as call_id, arg_max(counts, commit_no) as counts, arg_max(reason, commit_no) as reason
    from links
    where tenant = $tenant
    group by record_key
),
of_call as (
    select
        call_id, count(*) as records, arg_max(record_key, counts) as record_key, arg_max(reason, counts) as reason
    from linked
    where call_id in (select call_id from standing)
    group by call_id
),
counted as (
    select record_key, service, process, signal, usage_settled
    from records
    where tenant = $tenant and record_key in (select record_key from of_call)
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
calls as (
    select
        c.happened_at, coalesce(r.service, r.process, 'unattributed') as service, c.runtime, c.model, o.records,
        case when c.usage_known > 0 then coalesce(c.input_uncached_tokens, 0) + coalesce(c.cache_read_tokens, 0) + coalesce(c.cache_write_tokens, 0)
            + coalesce(c.cache_write_5m_tokens, 0) + coalesce(c.cache_write_1h_tokens, 0) + coalesce(c.output_text_tokens, 0)
            + coalesce(c.reasoning_tokens, 0) end as tokens,
        unnest([
            {'finding': 'unknown', 'holds': c.unknown_calls > 0, 'detail': c.unpriced_reason},
            {'finding': 'unpriced', 'holds': c.unpriced_calls > 0, 'detail': c.unpriced_reason},
            {'finding': 'metric_only', 'holds': r.signal = 'point', 'detail': o.reason},
            {'finding': 'sum_only', 'holds': r.signal <> 'point' and o.reason in ('the only report of its usage', 'what no call below it reports'),
                'detail': o.reason},
            {'finding': 'assumed', 'holds': r.usage_settled = 'assumed', 'detail': 'the split of its tokens'},
            {'finding': 'unattributed', 'holds': c.agent is null or c.team is null or c.loop is null, 'detail': concat_ws(', ',
                case when c.loop is null then 'loop' end, case when c.team is null then 'team' end, case when c.agent is null then 'agent' end)}
        ]) as found
    from standing c
    join of_call o using (call_id)
    join counted r using (record_key)
)
select
    found.finding, found.detail, service, runtime, case when found.finding <> 'unattributed' then model end as model,
    sum(records)::bigint as records, count(*) as calls, sum(tokens)::bigint as tokens, min(happened_at) as first_at, max(happened_at) as last_at
from calls
where found.holds
group by all
union all
select
    'skewed', null, coalesce(service, process, 'unattributed'), runtime, null,
    count(distinct record_key), null, null, min(ended_at), max(ended_at)
from records
where tenant = $tenant
  and clock_skewed
  and ($since::timestamp is null or ended_at >= $since)
  and ($until::timestamp is null or ended_at < $until)
group by all
union all
select
    'claimed', d.claim, coalesce(r.service, r.process, 'unattributed'), r.runtime, null,
    count(distinct r.record_key), null, null, min(r.ended_at), max(r.ended_at)
from record_details d
join records r using (tenant, commit_no, ordinal)
where tenant = $tenant
  and d.claim <> ''
  and ($since::timestamp is null or r.ended_at >= $since)
  and ($until::timestamp is null or r.ended_at < $until)
group by all
