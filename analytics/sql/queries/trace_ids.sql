-- Every trace with each of the commits $first to $last that holds spans or log records of it.
select distinct trace_id, commit_no
from records
where tenant = $tenant and commit_no between $first and $last and signal in ('span', 'log') and trace_id is not null
