-- The commits after $after in stretches of about a million records and charges: first and last of each.
select min(commit_no) as first, max(commit_no) as last
from (select commit_no, (sum(records + charges) over (order by commit_no))::bigint >> 20 as stretch from commits where commit_no > $after)
group by stretch
order by first
