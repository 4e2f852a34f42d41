-- The commits that hold records, with their tenants, oldest first; but those made so soon after records that have expired that what belongs
-- to theirs may be gone.
with edges as (
    select tenant, max(until) + $edge as until from operations where kind = 'expiry' and removed_records > 0 group by tenant
)
select distinct r.tenant, r.commit_no
from records r
join commits c using (commit_no)
left join edges e on e.tenant = r.tenant
where e.until is null or c.now_at > e.until
order by r.commit_no, r.tenant
