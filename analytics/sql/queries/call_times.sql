-- call_times: one row for each call of $since to $until UTC, null = no bound: how long the record it is charged by took. Of a record's
-- revisions the one that ended stands; a call without an end has null.
with asked as (
    select distinct call_id
    from charges
    where tenant = $tenant
      and ($since::timestamp is null or happened_at >= $since)
      and ($until::timestamp is null or happened_at < $until)
),
linked as (
    select record_key, arg_max(call_id, commit_no) as call_id, arg_max(counts, commit_no) as counts
    from links
    where tenant = $tenant
    group by record_key
),
counting as (
    select l.record_key, l.call_id from linked l semi join asked a using (call_id) where l.counts
),
took as (
    select c.call_id, c.record_key, max(date_diff('millisecond', r.started_at, r.ended_at)) as duration_ms
    from records r
    join counting c using (record_key)
    where r.tenant = $tenant
    group by c.call_id, c.record_key
)
select call_id, max(duration_ms)::bigint as duration_ms from took group by call_id
