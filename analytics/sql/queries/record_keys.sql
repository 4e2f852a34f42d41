-- Every record key with each commit that holds the record, a link of it, or a charge of its call.
select record_key, commit_no from records where tenant = $tenant
union
select record_key, commit_no from links where tenant = $tenant
union
select l.record_key, c.commit_no
from charges c
join (select distinct call_id, record_key from links where tenant = $tenant) l using (call_id)
where c.tenant = $tenant
