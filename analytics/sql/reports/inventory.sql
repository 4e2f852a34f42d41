-- inventory: one row per loop seen in [$since, $until) UTC, null = no bound, or charged in [$week_ago, $now). `runs_seen` are the runs of the
-- first window, one row each.
with standing as (
    select coalesce(loop, 'unattributed') as loop, coalesce(run, 'unattributed') as run, team, "user", agent, model, happened_at,
        sum(calls) as calls, sum(priced) as priced, sum(cost_usd) as cost_usd
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
),
lately as (
    select coalesce(loop, 'unattributed') as loop, case when sum(priced) > 0 then sum(cost_usd)::decimal(38, 9) end as last_7_days_usd
    from charges
    where tenant = $tenant and happened_at >= $week_ago and happened_at < $now
    group by all
    having sum(calls) <> 0 or sum(cost_usd) <> 0
),
seen as (
    select
        loop,
        list(distinct team order by team) filter (where team is not null) as teams,
        list(distinct "user" order by "user") filter (where "user" is not null) as users,
        count(distinct run) filter (where run <> 'unattributed') as runs,
        min(started_at) as first_seen,
        max(ended_at) as last_seen
    from (
        select loop, run, nullif(team, 'unattributed') as team, nullif("user", 'unattributed') as "user", started_at, ended_at from runs_seen
        union all
        select  -- a share of a split cost shows nobody at work
            loop, case when calls <> 0 then run end, case when calls <> 0 then team end, case when calls <> 0 then "user" end,
            case when calls <> 0 then happened_at end, case when calls <> 0 then happened_at end
        from standing
    )
    group by loop
)
select loop, teams, users, runs, first_seen, last_seen, agents, models, calls, cost_usd, last_7_days_usd
from seen
left join charged using (loop)
full join lately using (loop)
