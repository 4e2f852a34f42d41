delete from evidence where tenant = $tenant and commit_no <= $evidence_through
