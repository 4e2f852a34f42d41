-- The rows of a call's chain cancel but for at most one: signs, counters, tokens and money alike. Each version is there at most once a sign.
with chains as (
    select
        tenant, call_id, sum(sign) as standing, count(*) <> count(distinct (version, sign)) as is_repeated, sum(calls) as calls,
        sum(coalesce(input_uncached_tokens, 0) + coalesce(cache_read_tokens, 0) + coalesce(output_text_tokens, 0)) as tokens,
        sum(coalesce(cost_usd, 0)) as cost_usd,
        max_by(coalesce(input_uncached_tokens, 0) + coalesce(cache_read_tokens, 0) + coalesce(output_text_tokens, 0), version)
            filter (sign = 1) as last_tokens,
        max_by(coalesce(cost_usd, 0), version) filter (sign = 1) as last_cost_usd
    from charges
    group by tenant, call_id
)
select 'the charges of call ' || call_id || ' do not cancel: signs ' || standing || ', tokens ' || tokens || ', ' || cost_usd || ' USD' as broken
from chains
where is_repeated or standing not in (0, 1)
    or tokens <> case standing when 1 then last_tokens else 0 end
    or cost_usd <> case standing when 1 then last_cost_usd else 0 end
