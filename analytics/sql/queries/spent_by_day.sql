-- What was spent a day (UTC) in [$since, $until), by everything that a shared cost may be told apart by; shares that were split left out.
select
    date_trunc('day', happened_at)::timestamp as day,
    loop, run, agent, role, team, cost_center, "user", environment, provider, model, tool, runtime, contract,
    sum(coalesce(input_uncached_tokens, 0) + coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0)
        + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0) + coalesce(output_text_tokens, 0)
        + coalesce(reasoning_tokens, 0))::bigint as tokens,
    sum(list_usd)::decimal(18, 9) as list_usd,
    sum(contracted_usd)::decimal(18, 9) as contracted_usd,
    sum(cost_usd)::decimal(18, 9) as cost_usd
from charges
where tenant = $tenant
  and kind <> 'allocation'
  and ($since::timestamp is null or happened_at >= $since)
  and ($until::timestamp is null or happened_at < $until)
group by all
having sum(calls) <> 0 or sum(cost_usd) <> 0
order by all
