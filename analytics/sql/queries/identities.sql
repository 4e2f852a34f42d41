-- Every identity with each commit that holds links or charges of its calls.
select identity, commit_no from links where tenant = $tenant
union
select l.identity, c.commit_no
from charges c
join (select distinct call_id, identity from links where tenant = $tenant) l using (call_id)
where c.tenant = $tenant
