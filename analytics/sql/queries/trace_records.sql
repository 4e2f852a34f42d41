-- All revisions of the spans of the wanted traces: what ancestry and the ranking of revisions need.
select r.* exclude (tenant)
from records r
where r.tenant = $tenant
  and r.signal = 'span'
  and r.commit_no in (select commit_no from wanted_commits)
  and r.trace_id in (select trace_id from wanted)
