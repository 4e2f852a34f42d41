-- Removes a tenant's evidence.
delete from evidence where tenant = $tenant
