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
    select record_key, arg_max(call_id, commit_no) as call_id, arg_max(counts, commit_no) as counts
    from links
    where tenant = $tenant
    group by record_key
),
broken as (  -- of a record's revisions the last end says whether it failed
    select
        record_key,
        any_value(trace_id) as trace_id,
        any_value(parent_span_id) as parent_span_id,
        any_value(run) as run,
        any_value(agent) as agent,
        any_value(coalesce(model_requested, model_served)) as model,
        min(coalesce(started_at, ended_at)) as started_at
    from records
    where tenant = $tenant
      and record_key in (
          select record_key
          from records
          where tenant = $tenant and failed and signal <> 'point' and kind in ('model', 'embedding', 'rerank', 'tool', 'sandbox', 'other')
      )
    group by record_key
    having coalesce(arg_max(failed, ended_at), true)
),
broken_calls as (
    select l.call_id from broken b join linked l using (record_key) where l.counts
),
uncharged as (
    select * from broken where model is not null and record_key not in (select record_key from linked)
),
of_trace as (
    select r.trace_id, min(a.run) as run
    from records r
    join linked l using (record_key)
    join asked a on a.call_id = l.call_id
    where r.tenant = $tenant and r.trace_id in (select trace_id from uncharged)
    group by r.trace_id
),
above as (
    select trace_id, span_id, any_value(agent) as agent
    from records
    where tenant = $tenant and signal = 'span' and agent is not null and trace_id in (select trace_id from uncharged)
    group by trace_id, span_id
),
only_agent as (
    select run, min(agent) as agent from asked group by run having min(agent) = max(agent)
),
lost as (
    select u.* exclude (run, agent), coalesce(o.run, u.run) as run, coalesce(u.agent, p.agent, s.agent) as agent
    from uncharged u
    left join of_trace o using (trace_id)
    left join above p on p.trace_id = u.trace_id and p.span_id = u.parent_span_id
    left join only_agent s on s.run = coalesce(o.run, u.run)
),
doubtful as (  -- only of these runs are records looked at
    select run from lost
    union
    select run from asked where call_id in (select call_id from broken_calls)
    union
    select run from ended where is_silent
),
charged as (
    select
        l.record_key,
        a.call_id,
        a.run,
        a.agent,
        any_value(r.trace_id) as trace_id,
        any_value(coalesce(r.model_requested, r.model_served)) as model,
        min(coalesce(r.started_at, r.ended_at)) as started_at
    from asked a
    join linked l on l.call_id = a.call_id
    join records r on r.record_key = l.record_key
    where l.counts and r.tenant = $tenant and a.run in (select run from doubtful)
    group by l.record_key, a.call_id, a.run, a.agent
),
attempts as (
    select
        call_id,
        trace_id,
        run,
        model is not null and coalesce(lag(failed) over (partition by run, agent, model order by started_at, record_key), false) as is_retry
    from (
        select record_key, call_id, trace_id, run, agent, model, started_at, record_key in (select record_key from broken) as failed from charged
        union all
        select record_key, null, trace_id, run, agent, model, started_at, true from lost
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
    select distinct s.trace_id
    from spans s
    left join spans p on p.trace_id = s.trace_id and p.span_id = s.parent_span_id
    where s.ended_at is null or (s.parent_span_id is not null and p.span_id is null)
),
told as (
    select call_id, bool_or(is_retry) as is_retry, bool_or(trace_id in (select trace_id from left_open)) as is_open
    from attempts
    where call_id is not null
    group by call_id
)
select
    a.call_id,
    case
        when a.call_id in (select call_id from broken_calls) then 'failed call'
        when t.is_retry then 'retry'
        when e.is_stopped then 'stopped run'
        when e.is_failed then 'failed run'
        when e.is_silent and t.is_open then 'abandoned run'
        else 'not waste'
    end as reason
from asked a
left join told t on t.call_id = a.call_id
left join ended e on e.run = a.run
