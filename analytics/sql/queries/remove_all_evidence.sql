delete from evidence where tenant = $tenant
