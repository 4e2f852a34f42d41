-- What stands charged for calls in [$since, $until) UTC, null = no bound: the newest version of each; shares of split costs are no calls.
select * exclude (tenant, commit_no)
from charges
where tenant = $tenant
  and kind <> 'allocation'
  and ($since::timestamp is null or happened_at >= $since)
  and ($until::timestamp is null or happened_at < $until)
qualify row_number() over (partition by call_id order by version desc, sign desc) = 1 and sign = 1
