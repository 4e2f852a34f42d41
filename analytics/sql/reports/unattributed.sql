-- unattributed: spend that names no team, and spend that names no loop, by the most telling thing known of it. [$since, $until) in UTC, null =
-- no bound. Every such charge is in one row of each dimension it misses.
with standing as (
    select *
    from charges
    where tenant = $tenant
      and ($since::timestamp is null or happened_at >= $since)
      and ($until::timestamp is null or happened_at < $until)
    qualify row_number() over (partition by call_id order by version desc, sign desc) = 1 and sign = 1
),
nameless as (
    select * from standing where team is null or loop is null
),
newest as (
    select record_key, arg_max(call_id, commit_no) as call_id
    from links
    where tenant = $tenant
    group by record_key
),
seen as (
    select call_id, min(r.service) as service
    from newest
    join records r using (record_key)
    where r.tenant = $tenant and call_id in (select call_id from nameless)
    group by call_id
),
told as (
    select
        n.*,
        unnest([
            case when n.team is null then 'team' end,
            case when n.loop is null then 'loop' end
        ]) as missing,
        case
            when n.kind = 'allocation' then {'attribute': 'owner_rule', 'value': n.owner_rule}
            when s.service is not null then {'attribute': 'service', 'value': s.service}
            when n.runtime is not null then {'attribute': 'runtime', 'value': n.runtime}
            when n.agent is not null then {'attribute': 'agent', 'value': n.agent}
            when n."user" is not null then {'attribute': 'user', 'value': n."user"}
            when n.model_requested is not null then {'attribute': 'model', 'value': n.model_requested}
            else {'attribute': 'nothing', 'value': null::varchar}
        end as tell
    from nameless n
    left join seen s using (call_id)
)
select
    missing,
    tell.attribute as attribute,
    tell.value as value,
    sum(calls)::bigint as calls,
    sum(unknown_calls)::bigint as unknown_calls,
    sum(unpriced_calls)::bigint as unpriced_calls,
    count(distinct run)::bigint as runs,
    case when sum(priced) > 0 then sum(cost_usd)::decimal(38, 9) end as cost_usd,
    min(happened_at) as first_at,
    max(happened_at) as last_at
from told
where missing is not null
group by all
order by missing desc, cost_usd desc nulls last, calls desc, attribute, value
