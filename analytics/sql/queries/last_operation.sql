-- The number of a tenant's last operation; 0 before the first.
select coalesce(max(operation), 0) as operation from operations where tenant = $tenant
