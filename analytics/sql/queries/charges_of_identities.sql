-- All versions of the charges of every call that ever had one of the wanted identities.
select c.* exclude (tenant, commit_no)
from charges c
where c.tenant = $tenant
  and c.commit_no in (select commit_no from wanted_commits)
  and c.call_id in (
      select l.call_id
      from links l
      where l.tenant = $tenant
        and l.commit_no in (select commit_no from wanted_commits)
        and l.identity in (select identity from wanted)
  )
