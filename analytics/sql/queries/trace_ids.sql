-- Every trace with each commit that holds spans or log records of it.
select distinct trace_id, commit_no from records where tenant = $tenant and signal in ('span', 'log') and trace_id is not null
