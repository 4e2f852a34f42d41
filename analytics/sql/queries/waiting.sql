-- Traces and processes with usage that waits: the newest link of a record says so.
with asked as (
    select record_key from links where tenant = $tenant and reason like 'waits%'
    union
    select record_key from records where tenant = $tenant and signal = 'point'
),
newest as (
    select *
    from links
    where tenant = $tenant and record_key in (select record_key from asked)
    qualify row_number() over (partition by record_key order by commit_no desc) = 1
)
select distinct
    case when r.signal <> 'point' then r.trace_id end as trace_id,
    case when r.signal = 'point' then coalesce(r.process, '') end as process,
    l.reason like 'waits%' as waits
from newest l
join records r using (record_key)
where r.tenant = $tenant and (l.reason like 'waits%' or (r.signal = 'point' and l.counts))
