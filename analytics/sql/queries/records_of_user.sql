-- commit_no | ordinal of the records of $user: those that name them, those whose call is charged to them, and those of the same traces.
with theirs as (
    select record_key, trace_id
    from records
    where tenant = $tenant
      and ("user" = $user
          or record_key in (select record_key from links where tenant = $tenant
              and call_id in (select call_id from charges where tenant = $tenant and "user" = $user)))
)
select commit_no, ordinal
from records
where tenant = $tenant
  and (record_key in (select record_key from theirs) or trace_id in (select trace_id from theirs where trace_id is not null))
order by commit_no, ordinal
