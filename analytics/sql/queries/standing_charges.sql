-- What stands charged for calls in [$since, $until) UTC, null = no bound, of the models $models, null = any: the row of each one's highest
-- version. Shares of split costs are no calls.
with touched as (
    select distinct call_id
    from charges
    where tenant = $tenant
      and kind <> 'allocation'
      and ($since::timestamp is null or happened_at >= $since)
      and ($until::timestamp is null or happened_at < $until)
      and ($models::varchar[] is null or list_contains($models, model))
),
newest as (
    select *
    from charges
    where tenant = $tenant and call_id in (select call_id from touched)
    qualify row_number() over (partition by call_id order by version desc, sign desc) = 1
)
select * exclude (tenant, commit_no)
from newest
where sign = 1
  and ($since::timestamp is null or happened_at >= $since)
  and ($until::timestamp is null or happened_at < $until)
  and ($models::varchar[] is null or list_contains($models, model))
order by happened_at, call_id
