-- The commits that hold records, with their tenants, oldest first.
select distinct tenant, commit_no from records order by commit_no, tenant
