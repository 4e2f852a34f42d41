-- A commit holds the records it wrote, but for what has left after its time.
with gone as (select coalesce(max(through_commit), 0) as through_commit from operations where removed_records > 0)
select 'commit ' || commit_no || ' wrote ' || c.records || ' records and holds ' || coalesce(held, 0) as broken
from commits c
full join (select commit_no, count(*) as held from records group by commit_no) r using (commit_no), gone
where c.records is null or coalesce(held, 0) > c.records or (commit_no > gone.through_commit and coalesce(held, 0) < c.records)
