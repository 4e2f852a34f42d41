-- coverage: one row. [$since, $until) in UTC, null = no bound.
select
    coalesce(sum(calls), 0)::bigint as calls,
    coalesce(sum(priced) filter (where kind <> 'allocation'), 0)::bigint as priced_calls,
    coalesce(sum(unknown_calls), 0)::bigint as unknown_calls,
    coalesce(sum(unpriced_calls), 0)::bigint as unpriced_calls,
    coalesce(sum(calls) filter (where team is not null), 0)::bigint as attributed_calls,
    (select max(ended_at) from records where tenant = $tenant) as last_record_at
from charges
where tenant = $tenant
  and ($since::timestamp is null or happened_at >= $since)
  and ($until::timestamp is null or happened_at < $until)
