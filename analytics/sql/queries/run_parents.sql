-- The runs that some record names as the parent of its own.
select distinct run_parent from records where tenant = $tenant and run_parent is not null
