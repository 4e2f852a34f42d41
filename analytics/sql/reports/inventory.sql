-- inventory: one row per loop seen in [$since, $until) UTC, null = no bound.
with seen as (
    select
        coalesce(loop, 'unattributed') as loop,
        any_value(team) as seen_team,
        count(distinct run) as runs,
        min(coalesce(started_at, ended_at)) as first_seen,
        max(coalesce(ended_at, started_at)) as last_seen
    from records
    where tenant = $tenant
      and signal = 'span'
      and ($since::timestamp is null or coalesce(ended_at, started_at) >= $since)
      and ($until::timestamp is null or coalesce(ended_at, started_at) < $until)
    group by 1
),
standing as (
    select coalesce(loop, 'unattributed') as loop, agent, model, sum(calls) as calls, sum(priced) as priced, sum(cost_usd) as cost_usd
    from charges
    where tenant = $tenant
      and ($since::timestamp is null or happened_at >= $since)
      and ($until::timestamp is null or happened_at < $until)
    group by all
    having sum(calls) <> 0 or sum(cost_usd) <> 0
),
charged as (
    select
        loop,
        list(distinct agent order by agent) filter (where agent is not null) as agents,
        list(distinct model order by model) filter (where model is not null) as models,
        sum(calls)::bigint as calls,
        case when sum(priced) > 0 then sum(cost_usd)::decimal(38, 9) end as cost_usd
    from standing
    group by loop
)
-- A call may bill to a loop that another of its records named, outside the window.
select loop, s.seen_team, coalesce(s.runs, 0) as runs, s.first_seen, s.last_seen, c.agents, c.models, coalesce(c.calls, 0) as calls, c.cost_usd
from seen s
full join charged c using (loop)
