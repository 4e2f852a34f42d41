-- The records that are or once were of the wanted calls.
select distinct record_key, call_id
from links
where tenant = $tenant and call_id in (select call_id from wanted)
order by call_id, record_key
