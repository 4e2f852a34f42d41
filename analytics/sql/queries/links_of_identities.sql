-- All links of every record that ever had one of the wanted identities.
select l.* exclude (tenant)
from links l
where l.tenant = $tenant
  and l.commit_no in (select commit_no from wanted_commits)
  and l.record_key in (
      select m.record_key
      from links m
      where m.tenant = $tenant
        and m.commit_no in (select commit_no from wanted_commits)
        and m.identity in (select identity from wanted)
  )
