-- All revisions of the wanted records, whole.
with found as materialized (  -- the view whole_records would join every record first
    select *
    from records
    where tenant = $tenant
      and commit_no in (select commit_no from wanted_commits)
      and record_key in (select record_key from wanted)
)
select f.*, d.* exclude (tenant, commit_no, ordinal)
from found f
left join record_details d using (tenant, commit_no, ordinal)
