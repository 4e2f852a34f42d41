-- Removes a tenant's evidence of commits up to one.
delete from evidence where tenant = $tenant and commit_no <= $evidence_through
