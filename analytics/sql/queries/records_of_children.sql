-- The records that name one of $runs as the parent of their run.
select distinct record_key, signal, coalesce(process, '') as process
from records
where tenant = $tenant and list_contains($runs::varchar[], run_parent)
