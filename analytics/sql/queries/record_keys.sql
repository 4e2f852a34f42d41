-- Every record key with the commit it is in.
select record_key, commit_no from records where tenant = $tenant
