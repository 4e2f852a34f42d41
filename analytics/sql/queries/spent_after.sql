-- One row: US dollars a run spent on calls that ended after a moment; 0 when there is no such call, null when none of them has a known cost.
select case when count(*) = 0 then 0.000000000 when sum(priced) = 0 then null else sum(cost_usd) end::decimal(18, 9) as cost_usd
from charges
where tenant = $tenant and run = $run and happened_at > $since
