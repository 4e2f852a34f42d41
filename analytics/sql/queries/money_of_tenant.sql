-- What a tenant's charges add up to.
select count(*) as rows, sum(calls) as calls, sum(cost_usd) as cost_usd, sum(list_usd) as list_usd from charges where tenant = $tenant
