-- The records of one commit, whole.
select * from whole_records where tenant = $tenant and commit_no = $commit_no order by ordinal
