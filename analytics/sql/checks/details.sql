-- What few records have belongs to one that is there.
select 'commit ' || commit_no || ' has details of record ' || ordinal || ', which is not there' as broken
from record_details d
where not exists (
    select 1 from records r where r.tenant = d.tenant and r.commit_no = d.commit_no and r.ordinal = d.ordinal
)
