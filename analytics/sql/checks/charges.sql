-- A commit holds the charges it wrote.
select 'commit ' || commit_no || ' wrote ' || c.charges || ' rows of charges and holds ' || coalesce(held, 0) as broken
from commits c
full join (select commit_no, count(*) as held from charges group by commit_no) r using (commit_no)
where c.charges is distinct from coalesce(held, 0)
