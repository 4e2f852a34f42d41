-- Every trace with each commit that holds spans of it.
select distinct trace_id, commit_no from records where tenant = $tenant and signal = 'span'
