-- grants: what calls that stand touched in [$since, $until) UTC, null = no bound: one row for each loop, agent, run and model.
with standing as (
    select call_id, call_kind, loop, run, agent, role, model, model_requested, model_served, happened_at, sum(calls) as calls
    from charges
    where tenant = $tenant
      and loop is not null
      and ($since::timestamp is null or happened_at >= $since)
      and ($until::timestamp is null or happened_at < $until)
    group by all
    having sum(calls) <> 0
)
select loop, run, agent, role, call_kind, model, model_requested, model_served, sum(calls)::bigint as uses, min(happened_at) as first_used,
    max(happened_at) as last_used
from standing
group by all
