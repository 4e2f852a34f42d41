-- Charges with what budgets look at: of a tenant, in [$start, $end), of one run, of the commits $first to $last; null means no bound.
select
    tenant, commit_no, call_id, happened_at, loop, run, agent, role, team, "user", provider, model, tool,
    unknown_calls, unpriced_calls, cost_usd,
    input_uncached_tokens, cache_read_tokens, cache_write_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
    output_text_tokens, reasoning_tokens
from charges
where ($tenant::varchar is null or tenant = $tenant)
  and ($start::timestamp is null or happened_at >= $start)
  and ($end::timestamp is null or happened_at < $end)
  and ($run::varchar is null or run = $run)
  and ($first::bigint is null or commit_no between $first and $last)
