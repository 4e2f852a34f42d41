-- Every record key with each of the commits $first to $last that holds the record, a link of it, or a charge of its call.
select record_key, commit_no from records where tenant = $tenant and commit_no between $first and $last
union
select record_key, commit_no from links where tenant = $tenant and commit_no between $first and $last
union
select l.record_key, c.commit_no
from (select distinct call_id, commit_no from charges where tenant = $tenant and commit_no between $first and $last) c
join (select distinct call_id, record_key from links where tenant = $tenant) l using (call_id)
