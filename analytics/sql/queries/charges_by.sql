-- charges_by: charges summed by the words in $by, which are dimensions of reports and any of part, is_reported, is_priced, reason,
-- price_set and price_book. [$since, $until) in UTC, null = no bound. $only_*: only these values of a dimension, null = all.
-- `of_calls` says more of some calls: call_id, duration_ms and reason. A price set comes with its unit price of each bucket.
with more as materialized (  -- else a filter on keys is pushed into the frame, whose library takes no number over 2^63
    select call_id, duration_ms, reason from of_calls
),
asked as (
    select
        c.*,
        m.duration_ms,
        m.reason as said_reason,
        coalesce(c.reported, 0) as has_reported,
        case
            when c.method is not null then 'allocated'
            when c.call_kind in ('model', 'embedding', 'rerank') then 'model'
            else c.call_kind
        end as part
    from charges c
    left join more m using (call_id)
    where c.tenant = $tenant
      and ($since::timestamp is null or c.happened_at >= $since)
      and ($until::timestamp is null or c.happened_at < $until)
      and ($only_team::varchar[] is null or list_contains($only_team, coalesce(c.team, 'unattributed')))
      and ($only_loop::varchar[] is null or list_contains($only_loop, coalesce(c.loop, 'unattributed')))
      and ($only_model::varchar[] is null or list_contains($only_model, coalesce(c.model, 'unattributed')))
      and ($only_agent::varchar[] is null or list_contains($only_agent, coalesce(c.agent, 'unattributed')))
      and ($only_role::varchar[] is null or list_contains($only_role, coalesce(c.role, 'unattributed')))
      and ($only_user::varchar[] is null or list_contains($only_user, coalesce(c."user", 'unattributed')))
      and ($only_provider::varchar[] is null or list_contains($only_provider, coalesce(c.provider, 'unattributed')))
      and ($only_run::varchar[] is null or list_contains($only_run, coalesce(c.run, 'unattributed')))
      and ($only_tool::varchar[] is null or list_contains($only_tool, coalesce(c.tool, 'unattributed')))
),
summed as (
    select
        case when list_contains($by, 'model') then coalesce(model, 'unattributed') end as model,
        case when list_contains($by, 'model_served') then coalesce(model_served, 'unattributed') end as model_served,
        case when list_contains($by, 'provider') then coalesce(provider, 'unattributed') end as provider,
        case when list_contains($by, 'agent') then coalesce(agent, 'unattributed') end as agent,
        case when list_contains($by, 'role') then coalesce(role, 'unattributed') end as role,
        case when list_contains($by, 'team') then coalesce(team, 'unattributed') end as team,
        case when list_contains($by, 'user') then coalesce("user", 'unattributed') end as "user",
        case when list_contains($by, 'loop') then coalesce(loop, 'unattributed') end as loop,
        case when list_contains($by, 'run') then coalesce(run, 'unattributed') end as run,
        case when list_contains($by, 'day') then strftime(happened_at, '%Y-%m-%d') end as day,
        case when list_contains($by, 'tool') then coalesce(tool, 'unattributed') end as tool,
        case when list_contains($by, 'runtime') then coalesce(runtime, 'unattributed') end as runtime,
        case when list_contains($by, 'cost_center') then coalesce(cost_center, 'unattributed') end as cost_center,
        case when list_contains($by, 'environment') then coalesce(environment, 'unattributed') end as environment,
        case when list_contains($by, 'part') then part end as part,
        case when list_contains($by, 'is_reported') then has_reported <> 0 end as is_reported,
        case when list_contains($by, 'is_priced') then priced <> 0 end as is_priced,
        case when list_contains($by, 'reason') then said_reason end as reason,
        case when list_contains($by, 'price_set') then price_set end as price_set,
        case when list_contains($by, 'price_book') then price_book end as price_book,
        sum(calls)::bigint as calls,
        sum(unknown_calls)::bigint as unknown_calls,
        sum(unpriced_calls)::bigint as unpriced_calls,
        sum(priced)::bigint as priced_calls,
        sum(usage_known)::bigint as usage_known,
        coalesce(sum(input_uncached_tokens), 0)::bigint as input_uncached_tokens,
        coalesce(sum(cache_read_tokens), 0)::bigint as cache_read_tokens,
        coalesce(sum(cache_write_tokens), 0)::bigint as cache_write_tokens,
        coalesce(sum(cache_write_5m_tokens), 0)::bigint as cache_write_5m_tokens,
        coalesce(sum(cache_write_1h_tokens), 0)::bigint as cache_write_1h_tokens,
        coalesce(sum(output_text_tokens), 0)::bigint as output_text_tokens,
        coalesce(sum(reasoning_tokens), 0)::bigint as reasoning_tokens,
        coalesce(sum(web_searches), 0)::bigint as web_searches,
        sum(sign * duration_ms)::bigint as duration_ms,
        case when sum(priced) <> 0 or sum(cost_usd) <> 0 then sum(cost_usd)::decimal(38, 9) end as cost_usd,
        case when sum(has_reported) <> 0 then sum(reported_usd)::decimal(38, 9) end as reported_usd
    from asked
    group by all
    having sum(calls) <> 0 or sum(cost_usd) <> 0
),
unit_prices as (
    select * from prices qualify row_number() over (partition by price_set, price_book) = 1
)
select
    s.*,
    p.input_usd as price_of_input_uncached_tokens,
    coalesce(p.cache_read_usd, p.input_usd) as price_of_cache_read_tokens,
    coalesce(p.cache_write_usd, p.input_usd) as price_of_cache_write_tokens,
    coalesce(p.cache_write_usd, p.input_usd) as price_of_cache_write_5m_tokens,
    coalesce(p.cache_write_1h_usd, p.cache_write_usd, p.input_usd) as price_of_cache_write_1h_tokens,
    p.output_usd as price_of_output_text_tokens,
    coalesce(p.reasoning_usd, p.output_usd) as price_of_reasoning_tokens,
    p.search_usd as price_of_web_searches
from summed s
left join unit_prices p on p.price_set = s.price_set and p.price_book = s.price_book
