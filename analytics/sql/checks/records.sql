-- A commit holds the records it wrote.
select 'commit ' || commit_no || ' wrote ' || c.records || ' records and holds ' || coalesce(held, 0) as broken
from commits c
full join (select commit_no, count(*) as held from records group by commit_no) r using (commit_no)
where c.records is distinct from coalesce(held, 0)
