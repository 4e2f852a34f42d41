-- The evidence of one commit.
select attributes from evidence where tenant = $tenant and commit_no = $commit_no
