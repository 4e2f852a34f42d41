-- What tells a commit from another one of its number, for what an erasure makes stale: it puts other names in the place of users' in
-- commits that are written.
select epoch_us(now_at) as now_us, records, charges, (select count(*) from operations where kind = 'erasure') as erasures
from commits where commit_no = $commit_no
