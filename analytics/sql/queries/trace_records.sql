-- All revisions of the spans and log records of the wanted traces.
with found as materialized (  -- the view whole_records would join every record first
    select *
    from records
    where tenant = $tenant
      and signal in ('span', 'log')
      and commit_no in (select commit_no from wanted_commits)
      and trace_id in (select trace_id from wanted)
)
select f.*, d.* exclude (tenant, commit_no, ordinal)
from found f
left join record_details d using (tenant, commit_no, ordinal)
