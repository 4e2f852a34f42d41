-- Commits are numbered 1, 2, 3 ...; each is there once.
select case when n is null then 'commit ' || commit_no || ' is there twice' else 'commit ' || n || ' is missing' end as broken
from (select commit_no, count(*) as times from commits group by commit_no) held
full join (select unnest(range(1, (select coalesce(max(commit_no), 0) + 1 from commits))) as n) numbers on numbers.n = held.commit_no
where times is null or times > 1
