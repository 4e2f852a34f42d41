-- All revisions of the wanted records, whole.
select r.*
from whole_records r
where r.tenant = $tenant
  and r.commit_no in (select commit_no from wanted_commits)
  and r.record_key in (select record_key from wanted)
