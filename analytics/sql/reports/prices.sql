-- prices: the price sets that charges in [$since, $until) UTC used, null = no bound, with what they came to; of the newest book also those of
-- the providers and models asked for. Money without a price set (unpriced, reported, shared) is one row without a name.
with used as (
    select price_set, sum(calls)::bigint as calls, case when sum(priced) > 0 then sum(cost_usd)::decimal(38, 9) end as cost_usd
    from charges
    where tenant = $tenant
      and ($since::timestamp is null or happened_at >= $since)
      and ($until::timestamp is null or happened_at < $until)
      and ($only_model::varchar[] is null or list_contains($only_model, coalesce(model, 'unattributed')))
      and ($only_provider::varchar[] is null or list_contains($only_provider, coalesce(provider, 'unattributed')))
      and ($only_team::varchar[] is null or list_contains($only_team, coalesce(team, 'unattributed')))
      and ($only_loop::varchar[] is null or list_contains($only_loop, coalesce(loop, 'unattributed')))
    group by price_set
    having sum(calls) <> 0 or sum(cost_usd) <> 0
),
newest as (
    select price_book from prices order by recorded_at desc nulls last, price_book desc limit 1
),
known as (
    select * from prices qualify row_number() over (partition by price_set order by recorded_at desc nulls last) = 1
),
asked as (
    select k.price_set
    from known k
    where ($only_model::varchar[] is not null or $only_provider::varchar[] is not null)
      and k.price_book in (select price_book from newest)
      and ($only_model::varchar[] is null or list_contains($only_model, k.model))
      and ($only_provider::varchar[] is null or list_contains($only_provider, k.provider))
),
shown as (
    select price_set, coalesce(calls, 0) as calls, cost_usd
    from used
    full join (select distinct price_set from asked) using (price_set)
)
select
    s.price_set, s.calls, s.cost_usd, k.provider, k.model, k.tool, k.conditions, k.basis, k.contract, k.teams, k.source, k.valid_from,
    k.valid_to, k.daily_from, k.daily_to, k.above_input_tokens, k.up_to_input_tokens, k.input_usd as input_unit_usd,
    k.cache_read_usd as cache_read_unit_usd, k.cache_write_usd as cache_write_unit_usd, k.cache_write_1h_usd as cache_write_1h_unit_usd,
    k.output_usd as output_unit_usd, k.reasoning_usd as reasoning_unit_usd, k.call_usd as call_unit_usd, k.second_usd as second_unit_usd,
    k.search_usd as search_unit_usd, k.request_usd as request_unit_usd, k.inherited, k.price_book, k.recorded_at
from shown s
left join known k using (price_set)
order by s.cost_usd desc nulls last, k.provider, k.model, k.conditions nulls first, k.contract nulls last, k.valid_from nulls first, k.above_input_tokens, s.price_set
