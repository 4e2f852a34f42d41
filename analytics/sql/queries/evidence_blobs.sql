-- A tenant's evidence of commits after $after, the oldest $most blobs.
select rowid as place, commit_no, attributes from evidence where tenant = $tenant and commit_no > $after order by commit_no limit $most
