-- All versions of the charges of the wanted calls.
select c.* exclude (tenant, commit_no)
from charges c
where c.tenant = $tenant
  and c.commit_no in (select commit_no from wanted_commits)
  and c.call_id in (select call_id from wanted)
