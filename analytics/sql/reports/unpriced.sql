-- unpriced: calls in [$since, $until) UTC without a known cost, by what their price was looked for under; null = no bound.
select
    provider, model_requested, model_served, tool, conditions, unpriced_reason as reason,
    sum(calls)::bigint as calls,
    case when sum(usage_known) > 0 then sum(
        coalesce(input_uncached_tokens, 0) + coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0)
            + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0)
    )::bigint end as input_tokens,
    case when sum(usage_known) > 0 then sum(coalesce(output_text_tokens, 0) + coalesce(reasoning_tokens, 0))::bigint end as output_tokens,
    min(happened_at) as first_at, max(happened_at) as last_at
from charges
where tenant = $tenant
  and unpriced_reason is not null
  and ($since::timestamp is null or happened_at >= $since)
  and ($until::timestamp is null or happened_at < $until)
  and ($only_team::varchar[] is null or list_contains($only_team, coalesce(team, 'unattributed')))
  and ($only_loop::varchar[] is null or list_contains($only_loop, coalesce(loop, 'unattributed')))
group by all
having sum(calls) > 0
