-- How many charges came after a commit.
select coalesce(sum(charges), 0)::bigint as charges from commits where commit_no > $commit_no
