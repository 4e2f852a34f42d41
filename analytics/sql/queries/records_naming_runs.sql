-- All revisions of the records of which one is of a wanted run.
select *
from records
where tenant = $tenant
  and record_key in (select record_key from records where tenant = $tenant and run in (select run from wanted))
