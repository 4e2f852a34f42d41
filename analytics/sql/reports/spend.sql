-- spend: one row for each combination of the dimensions named in $by, dearest first. [$since, $until) in UTC, null = no bound.
-- $kinds: only these kinds of call, null = all. $only_*: only these values of a dimension, null = all.
with charged as (
    select
        *,
        coalesce(input_uncached_tokens, 0) + coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0)
            + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0) as input_tokens,
        coalesce(cache_write_tokens, 0) + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0) as written_tokens,
        coalesce(output_text_tokens, 0) + coalesce(reasoning_tokens, 0) as output_tokens
    from charges
    where tenant = $tenant
      and ($since::timestamp is null or happened_at >= $since)
      and ($until::timestamp is null or happened_at < $until)
      and ($kinds::varchar[] is null or list_contains($kinds, call_kind))
      and ($only_team::varchar[] is null or list_contains($only_team, coalesce(team, 'unattributed')))
      and ($only_loop::varchar[] is null or list_contains($only_loop, coalesce(loop, 'unattributed')))
      and ($only_model::varchar[] is null or list_contains($only_model, coalesce(model, 'unattributed')))
      and ($only_agent::varchar[] is null or list_contains($only_agent, coalesce(agent, 'unattributed')))
      and ($only_role::varchar[] is null or list_contains($only_role, coalesce(role, 'unattributed')))
      and ($only_user::varchar[] is null or list_contains($only_user, coalesce("user", 'unattributed')))
      and ($only_provider::varchar[] is null or list_contains($only_provider, coalesce(provider, 'unattributed')))
      and ($only_run::varchar[] is null or list_contains($only_run, coalesce(run, 'unattributed')))
      and ($only_tool::varchar[] is null or list_contains($only_tool, coalesce(tool, 'unattributed')))
)
select
    case when list_contains($by, 'model') then coalesce(model, 'unattributed') end as model,
    case when list_contains($by, 'model_served') then coalesce(model_served, 'unattributed') end as model_served,
    case when list_contains($by, 'provider') then coalesce(provider, 'unattributed') end as provider,
    case when list_contains($by, 'agent') then coalesce(agent, 'unattributed') end as agent,
    case when list_contains($by, 'role') then coalesce(role, 'unattributed') end as role,
    case when list_contains($by, 'team') then coalesce(team, 'unattributed') end as team,
    case when list_contains($by, 'cost_center') then coalesce(cost_center, 'unattributed') end as cost_center,
    case when list_contains($by, 'environment') then coalesce(environment, 'unattributed') end as environment,
    case when list_contains($by, 'user') then coalesce("user", 'unattributed') end as "user",
    case when list_contains($by, 'loop') then coalesce(loop, 'unattributed') end as loop,
    case when list_contains($by, 'run') then coalesce(run, 'unattributed') end as run,
    case when list_contains($by, 'day') then strftime(happened_at, '%Y-%m-%d') end as day,
    case when list_contains($by, 'tool') then coalesce(tool, 'unattributed') end as tool,
    case when list_contains($by, 'runtime') then coalesce(runtime, 'unattributed') end as runtime,
    sum(calls)::bigint as calls,
    sum(unknown_calls)::bigint as unknown_calls,
    sum(unpriced_calls)::bigint as unpriced_calls,
    case when sum(usage_known) > 0 then sum(input_tokens)::bigint end as input_tokens,
    case when sum(cache_read_known) > 0 then sum(cache_read_tokens)::bigint end as cache_read_tokens,
    case when sum(cache_write_known) > 0 then sum(written_tokens)::bigint end as cache_write_tokens,
    case when sum(usage_known) > 0 then sum(output_tokens)::bigint end as output_tokens,
    case when sum(reasoning_known) > 0 then sum(reasoning_tokens)::bigint end as reasoning_tokens,
    case when sum(priced) > 0 then sum(cost_usd)::decimal(38, 9) end as cost_usd
from charged
group by all
having sum(calls) <> 0 or sum(cost_usd) <> 0
order by cost_usd desc nulls last, day, model, loop, team, agent, role, "user", provider, model_served, run, tool, runtime, cost_center, environment
