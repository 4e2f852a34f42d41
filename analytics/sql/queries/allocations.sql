-- Shares of split costs in [$since, $until) UTC: the newest version of each.
select * exclude (tenant, commit_no)
from charges
where tenant = $tenant
  and kind = 'allocation'
  and ($since::timestamp is null or happened_at >= $since)
  and ($until::timestamp is null or happened_at < $until)
qualify row_number() over (partition by call_id order by version desc, sign desc) = 1
