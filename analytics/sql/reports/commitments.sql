-- commitments: what charges by a contract came to. `terms` has a row per contract: name, starts_at and ends_at UTC, null = no bound.
select
    t.name,
    coalesce(sum(c.calls), 0)::bigint as calls,
    coalesce(sum(c.contracted_usd) filter (where c.kind <> 'allocation'), 0)::decimal(38, 9) as drawn_usd,
    coalesce(sum(c.list_usd) filter (where c.kind <> 'allocation'), 0)::decimal(38, 9) as list_usd,
    min(c.happened_at) as first_at, max(c.happened_at) as last_at
from terms t
left join charges c
    on c.tenant = $tenant
    and c.contract = t.name
    and (t.starts_at is null or c.happened_at >= t.starts_at)
    and (t.ends_at is null or c.happened_at < t.ends_at)
group by t.name
