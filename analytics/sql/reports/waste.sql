-- waste: one row for each call of [$since, $until) UTC, null = no bound: why its cost is waste, the first that holds of
-- failed call · retry · stopped run · failed run · abandoned run; else `not waste`. `ends` says how runs ended: run, is_stopped, is_failed,
-- is_silent. An attempt that failed may be no call; it is of the run that anybody in its trace is charged to.
with ended as materialized (
    select run, is_stopped, is_failed, is_silent from ends
),
asked as (
    select call_id, coalesce(arg_max(run, version) filter (where sign = 1), 'unattributed') as run,
        arg_max(agent, version) filter (where sign = 1) as agent
    from charges
    where tenant = $tenant
      and ($since::timestamp is null or happened_at >= $since)
      and ($until::timestamp is null or happened_at < $until)
    group by call_id
    having sum(sign) = 1
),
linked as (
    select record_key, arg_max(call_id, commit_no) as call_id, arg_max(counts, commit_no) as counts, arg_max(agent, commit_no) as agent
    from links
    where tenant = $tenant
    group by record_key
),
tried as (  -- of a record's revisions the last end says whether it failed
    select
        record_key,
        any_value(trace_id) as trace_id,
        any_value(parent_span_id) as parent_span_id,
        any_value(run) as run,
        any_value(agent) as agent,
        any_value(coalesce(model_requested, model_served)) as model,
        min(coalesce(started_at, ended_at)) as started_at,
        coalesce(arg_max(failed, ended_at), false) as failed
    from records
    where tenant = $tenant and signal <> 'point' and kind in ('model', 'embedding', 'rerank', 'tool', 'sandbox', 'other')
    group by record_key
),
charged as (
    select t.* exclude (run, agent), a.call_id, a.run, a.agent
    from tried t
    join linked l using (record_key)
    join asked a on a.call_id = l.call_id
    where l.counts
),
only_agent as (
    select run, min(agent) as agent from asked group by run having min(agent) = max(agent)
),
of_trace as (
    select trace_id, min(run) as run from charged where trace_id is not null group by trace_id
),
above as (
    select trace_id, span_id, any_value(agent) as agent
    from records
    where tenant = $tenant and signal = 'span' and agent is not null and kind in ('agent', 'chain', 'other')
    group by trace_id, span_id
),
lost as (  -- attempts that failed and are no call
    select t.* exclude (run, agent), coalesce(o.run, t.run) as run, coalesce(t.agent, p.agent, s.agent) as agent
    from tried t
    left join of_trace o using (trace_id)
    left join above p on p.trace_id = t.trace_id and p.span_id = t.parent_span_id
    left join only_agent s on s.run = coalesce(o.run, t.run)
    where t.failed and t.model is not null and t.record_key not in (select record_key from linked)
),
attempts as (
    select
        call_id,
        failed,
        trace_id,
        run,
        model is not null and coalesce(lag(failed) over (partition by run, agent, model order by started_at, record_key), false) as is_retry
    from (
        select record_key, call_id, trace_id, run, agent, model, started_at, failed from charged
        union all
        select record_key, null, trace_id, run, agent, model, started_at, failed from lost
    )
),
silent_traces as (
    select distinct a.trace_id from attempts a join ended e using (run) where e.is_silent and a.trace_id is not null
),
spans as (
    select trace_id, span_id, any_value(parent_span_id) as parent_span_id, max(ended_at) as ended_at
    from records
    where tenant = $tenant and signal = 'span' and trace_id in (select trace_id from silent_traces)
    group by trace_id, span_id
),
left_open as (  -- a span without an end, or below one that never came
    select s.trace_id
    from spans s
    left join spans p on p.trace_id = s.trace_id and p.span_id = s.parent_span_id
    where s.ended_at is null or (s.parent_span_id is not null and p.span_id is null)
)
select
    call_id,
    case
        when bool_or(t.failed) then 'failed call'
        when bool_or(t.is_retry) then 'retry'
        when bool_or(e.is_stopped) then 'stopped run'
        when bool_or(e.is_failed) then 'failed run'
        when bool_or(e.is_silent and t.trace_id in (select trace_id from left_open)) then 'abandoned run'
        else 'not waste'
    end as reason
from asked a
left join attempts t using (call_id)
left join ended e on e.run = a.run
group by call_id
