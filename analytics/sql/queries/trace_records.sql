-- All revisions of the spans and log records of the wanted traces.
select r.*
from whole_records r
where r.tenant = $tenant
  and r.signal in ('span', 'log')
  and r.commit_no in (select commit_no from wanted_commits)
  and r.trace_id in (select trace_id from wanted)
