-- price_changes: the price sets that two books do not have in common, by what they are for.
with older as (select * from prices where price_book = $from_book),
newer as (select * from prices where price_book = $to_book),
compared as (
    select
        coalesce(n.provider, o.provider) as provider, coalesce(n.model, o.model) as model, coalesce(n.tool, o.tool) as tool,
        coalesce(n.conditions, o.conditions) as conditions, coalesce(n.contract, o.contract) as contract,
        coalesce(n.valid_from, o.valid_from) as valid_from, coalesce(n.above_input_tokens, o.above_input_tokens) as above_input_tokens,
        case when o.price_set is null then 'new' when n.price_set is null then 'gone' else 'changed' end as change,
        o.input_usd as input_before_unit_usd, n.input_usd as input_after_unit_usd,
        o.cache_read_usd as cache_read_before_unit_usd, n.cache_read_usd as cache_read_after_unit_usd,
        o.output_usd as output_before_unit_usd, n.output_usd as output_after_unit_usd,
        coalesce(o.call_usd, o.second_usd) as tool_before_unit_usd, coalesce(n.call_usd, n.second_usd) as tool_after_unit_usd,
        (o.cache_write_usd, o.cache_write_1h_usd, o.reasoning_usd, o.search_usd, o.request_usd)
            is distinct from (n.cache_write_usd, n.cache_write_1h_usd, n.reasoning_usd, n.search_usd, n.request_usd) as others_changed,
        o.price_set as price_set_before, n.price_set as price_set_after
    from older o
    full join newer n
        on o.provider is not distinct from n.provider
        and o.model is not distinct from n.model
        and o.tool is not distinct from n.tool
        and o.conditions is not distinct from n.conditions
        and o.contract is not distinct from n.contract
        and o.list_set is not distinct from n.list_set
        and o.basis = n.basis
        and o.valid_from is not distinct from n.valid_from
        and o.daily_from is not distinct from n.daily_from
        and o.above_input_tokens is not distinct from n.above_input_tokens
)
select *
from compared
where change <> 'changed'
   or others_changed
   or input_before_unit_usd is distinct from input_after_unit_usd
   or cache_read_before_unit_usd is distinct from cache_read_after_unit_usd
   or output_before_unit_usd is distinct from output_after_unit_usd
   or tool_before_unit_usd is distinct from tool_after_unit_usd
order by change, provider, model, tool, contract, conditions, valid_from, above_input_tokens, price_set_after
