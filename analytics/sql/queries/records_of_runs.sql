-- The records of the runs $runs: of the calls charged to them, those that name them, and what nobody claims in the traces of these or,
-- without a trace, in their sessions. One row per record with its newest link; call_id is null where nothing is charged for it.
-- $run_bit: of the column of_resource. What only a resource says claims nothing: any span above outranks it. Nor does a run that is only
-- the record's trace or, without one, its session.
with charged as (
    select call_id
    from charges
    where tenant = $tenant and list_contains($runs, coalesce(run, 'unattributed'))
    group by call_id
    having sum(sign) = 1
),
core as (
    select record_key, trace_id, session
    from records
    where tenant = $tenant
      and (list_contains($runs, run)
          or record_key in (select record_key from links where tenant = $tenant and call_id in (select call_id from charged)))
),
near as (
    select
        record_key, trace_id, session, run,
        trace_id is null and coalesce(run = session, true) as is_loose,
        run is distinct from lower(hex(trace_id)) and coalesce(of_resource, 0) & $run_bit = 0 and not is_loose as is_own
    from records
    where tenant = $tenant
      and (trace_id in (select trace_id from core) or record_key in (select record_key from core) or session in (select session from core))
),
linked as (
    select *
    from (
        select *
        from links
        where tenant = $tenant and record_key in (select record_key from near)
        qualify row_number() over (partition by record_key order by commit_no desc) = 1
    )
    where reason <> 'no longer a call'
),
standing as (
    select call_id, coalesce(run, 'unattributed') as run
    from charges
    where tenant = $tenant and call_id in (select call_id from linked)
    qualify row_number() over (partition by call_id order by version desc, sign desc) = 1 and sign = 1
),
said as (
    select
        n.record_key, n.trace_id, n.session, n.run, n.is_loose, s.call_id, l.counts, l.reason, l.remainder_tokens, l.agent, l.role,
        coalesce(s.run, case when n.is_own then n.run end) as claim
    from near n
    left join linked l using (record_key)
    left join standing s on s.call_id = l.call_id
),
of_trace as (
    select trace_id, case when min(claim) = max(claim) then min(claim) end as run, bool_or(list_contains($runs, claim)) as has_one
    from said
    where trace_id is not null and claim is not null
    group by trace_id
),
of_session as (
    select session, case when min(claim) = max(claim) then min(claim) end as run, bool_or(list_contains($runs, claim)) as has_one
    from said
    where session is not null and claim is not null
    group by session
)
select distinct s.record_key, s.call_id, s.counts, s.reason, s.remainder_tokens, s.agent, s.role
from said s
left join of_trace t using (trace_id)
left join of_session o on o.session = case when s.is_loose then s.session end
where list_contains($runs, coalesce(s.claim, t.run, o.run, s.run))
   or (s.claim is null and (t.has_one or o.has_one))
