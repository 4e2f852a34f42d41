-- When the last of a tenant's records that have expired had arrived; null while none has.
select max(until) as until from operations where tenant = $tenant and kind = 'expiry' and removed_records > 0
