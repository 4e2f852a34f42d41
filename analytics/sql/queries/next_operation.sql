-- The number of the next operation of a tenant.
select coalesce(max(operation), 0) + 1 as operation from operations where tenant = $tenant
