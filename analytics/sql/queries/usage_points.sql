-- All revisions of the metric points of the wanted processes that count tokens.
select r.*
from whole_records r
where r.tenant = $tenant and r.signal = 'point' and r.measure is not null and coalesce(r.process, '') in (select process from wanted)
