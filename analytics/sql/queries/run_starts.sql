-- The first moment of each wanted run.
select run, min(coalesce(started_at, ended_at)) as started_at
from records
where tenant = $tenant and run in (select run from wanted)
group by run
