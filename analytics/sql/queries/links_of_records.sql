-- All links of the wanted records that some commits hold.
select l.* exclude (tenant)
from links l
where l.tenant = $tenant
  and l.commit_no in (select commit_no from wanted_commits)
  and l.record_key in (select record_key from wanted)
