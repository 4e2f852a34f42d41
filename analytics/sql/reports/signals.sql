-- signals: for each delivered signal what its run spent on calls that ended after delivery, US dollars; null when no such call has a known cost.
select
    d.id,
    case when count(c.call_id) = 0 then 0.000000000 when sum(c.priced) = 0 then null else sum(c.cost_usd) end::decimal(18, 9) as spend_after_delivery_usd
from delivered d
left join charges c on c.tenant = $tenant and c.run = d.run and c.happened_at > d.delivered_at
group by d.id
