-- The runs that some run, session or trace ids (hex) stand for.
select distinct run
from records
where tenant = $tenant
  and run is not null
  and (session in (select unnest($names)) or lower(hex(trace_id)) in (select unnest($names)))
