-- runs: one row per run, newest first. A run counts as running until its root span ends or for 15 minutes of $now without a record.
-- A record is of the run that its call is charged to, else of the one it names itself, else of the only one anybody names in its trace or,
-- without a trace, in its session, else of what its resource, trace or session makes it. $run_bit: of the column of_resource.
with linked as (
    select record_key, arg_max(call_id, commit_no) as call_id from links where tenant = $tenant group by record_key
),
newest as (
    select call_id, max(version) as version from charges where tenant = $tenant group by call_id having sum(sign) = 1
),
standing as (
    select c.* exclude (run), coalesce(c.run, 'unattributed') as run
    from charges c
    join newest using (call_id, version)
    where c.tenant = $tenant and c.sign = 1
),
told as (
    select l.record_key, s.run from linked l join standing s using (call_id)
),
claims as (
    select r.trace_id, r.session, t.run from told t join records r using (record_key) where r.tenant = $tenant
    union all
    select trace_id, session, run
    from records
    where tenant = $tenant
      and run is distinct from lower(hex(trace_id))
      and coalesce(of_resource, 0) & $run_bit = 0
      and not (trace_id is null and coalesce(run = session, true))
      and record_key not in (select record_key from told)
),
of_trace as (
    select trace_id, min(run) as run from claims where trace_id is not null group by trace_id having min(run) = max(run)
),
of_session as (
    select session, min(run) as run from claims where session is not null group by session having min(run) = max(run)
),
placed as (
    select
        r.* exclude (run),
        coalesce(
            t.run,
            case when r.run is distinct from lower(hex(r.trace_id)) and coalesce(r.of_resource, 0) & $run_bit = 0
                and not (r.trace_id is null and coalesce(r.run = r.session, true)) then r.run end,
            o.run,
            e.run,
            r.run
        ) as run
    from records r
    left join told t using (record_key)
    left join of_trace o using (trace_id)
    left join of_session e on e.session = case when r.trace_id is null and r.run = r.session then r.session end  -- one equality: a hash join
    where r.tenant = $tenant
),
seen as (
    select
        run,
        any_value(loop) as loop,
        any_value(team) as team,
        any_value("user") as "user",
        min(coalesce(started_at, ended_at)) as started_at,
        max(coalesce(ended_at, started_at)) as ended_at,
        count(distinct record_key) filter (where signal = 'span') as steps,
        coalesce(bool_or(is_root and ended_at is not null), false) as is_over,
        coalesce(arg_max(failed, ended_at) filter (where is_root), false) as failed
    from (
        select *, signal = 'span' and parent_span_id is null and (kind in ('agent', 'chain', 'other') or run = lower(hex(trace_id))) as is_root
        from placed
    )
    where run is not null and ($only_run::varchar[] is null or list_contains($only_run, run))
    group by run
),
charged as (
    select
        run,
        arg_max(loop, happened_at) as loop,
        arg_max(team, happened_at) as team,
        arg_max("user", happened_at) as "user",
        list(distinct agent order by agent) filter (where agent is not null) as agents,
        bool_or($only_model::varchar[] is null or list_contains($only_model, coalesce(model, 'unattributed'))) as has_model,
        bool_or($only_agent::varchar[] is null or list_contains($only_agent, coalesce(agent, 'unattributed'))) as has_agent,
        bool_or($only_role::varchar[] is null or list_contains($only_role, coalesce(role, 'unattributed'))) as has_role,
        bool_or($only_provider::varchar[] is null or list_contains($only_provider, coalesce(provider, 'unattributed'))) as has_provider,
        bool_or($only_tool::varchar[] is null or list_contains($only_tool, coalesce(tool, 'unattributed'))) as has_tool,
        sum(calls)::bigint as calls,
        sum(unknown_calls)::bigint as unknown_calls,
        sum(unpriced_calls)::bigint as unpriced_calls,
        case when sum(usage_known) > 0 then sum(
            coalesce(input_uncached_tokens, 0) + coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0)
            + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0)
        )::bigint end as input_tokens,
        case when sum(usage_known) > 0 then sum(coalesce(output_text_tokens, 0) + coalesce(reasoning_tokens, 0))::bigint end as output_tokens,
        case when sum(priced) > 0 then sum(cost_usd)::decimal(38, 9) end as cost_usd
    from standing
    where $only_run::varchar[] is null or list_contains($only_run, run)
    group by run
)
select
    s.run,
    coalesce(c.loop, s.loop, 'unattributed') as loop,
    coalesce(c.team, s.team, 'unattributed') as team,
    coalesce(c."user", s."user", 'unattributed') as "user",
    s.started_at,
    s.ended_at,
    case when s.is_over or s.ended_at < $now::timestamp - interval 15 minutes then 'ended' else 'running' end as state,
    date_diff('millisecond', s.started_at, s.ended_at) as duration_ms,
    s.steps,
    coalesce(c.agents, []::varchar[]) as agents,
    coalesce(c.calls, 0) as calls,
    coalesce(c.unknown_calls, 0) as unknown_calls,
    coalesce(c.unpriced_calls, 0) as unpriced_calls,
    c.input_tokens,
    c.output_tokens,
    c.cost_usd,
    s.is_over,
    s.failed
from seen s
left join charged c using (run)
where ($since::timestamp is null or s.ended_at >= $since)
  and ($until::timestamp is null or s.started_at < $until)
  and ($only_team::varchar[] is null or list_contains($only_team, coalesce(c.team, s.team, 'unattributed')))
  and ($only_loop::varchar[] is null or list_contains($only_loop, coalesce(c.loop, s.loop, 'unattributed')))
  and ($only_user::varchar[] is null or list_contains($only_user, coalesce(c."user", s."user", 'unattributed')))
  and ($only_model::varchar[] is null or c.has_model)
  and ($only_agent::varchar[] is null or c.has_agent)
  and ($only_role::varchar[] is null or c.has_role)
  and ($only_provider::varchar[] is null or c.has_provider)
  and ($only_tool::varchar[] is null or c.has_tool)
order by s.started_at desc, s.run
limit $limit offset $offset
