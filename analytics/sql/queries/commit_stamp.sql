-- What tells a commit from another one of its number.
select epoch_us(now_at) as now_us, records, charges from commits where commit_no = $commit_no
