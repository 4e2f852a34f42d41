-- What loops touched, by calls that stand and by steps that name a loop: of $loops, null = of all. One row for each thing with its first use.
with standing as (
    select tenant, loop, run, agent, call_kind, model, model_requested, model_served, call_id, happened_at
    from charges
    where loop is not null and ($loops::varchar[] is null or list_contains($loops, loop))
    group by all
    having sum(sign) > 0
),
telling as materialized (
    select distinct tenant, record_key
    from records
    where loop is not null and kind in ('tool', 'sandbox') and signal <> 'point' and ($loops::varchar[] is null or list_contains($loops, loop))
),
steps as (
    select tenant, loop, run, kind, signal, coalesce(tool, name) as thing, commit_no, ordinal, coalesce(ended_at, started_at) as moment
    from records
    where (tenant, record_key) in (select (tenant, record_key) from telling)
    qualify row_number() over (
        partition by tenant, record_key
        order by
            ended_at is not null desc,
            coalesce(input_uncached_tokens, cache_read_tokens, cache_write_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
                output_text_tokens, reasoning_tokens) is not null desc,
            attribute_count desc,
            content_hash desc
    ) = 1
),
touched as (
    select tenant, loop, run, 'loop' as kind, [loop] as names, null::varchar as server, happened_at as moment from standing
    union all
    select tenant, loop, run, 'agent', [agent], null, happened_at from standing where agent is not null
    union all
    select tenant, loop, run, 'model', list_filter([model, model_requested, model_served], lambda name: name is not null), null, happened_at
    from standing
    where call_kind <> 'tool' and coalesce(model, model_requested, model_served) is not null
    union all
    select tenant, loop, run, 'tool', [thing], mcp_server, moment
    from steps
    left join record_details using (tenant, commit_no, ordinal)
    where kind in ('tool', 'sandbox') and loop is not null and thing is not null and moment is not null
      and ($loops::varchar[] is null or list_contains($loops, loop))
)
select tenant, loop, kind, names, server, min(moment) as first_at, first(run order by moment, run) as run
from touched
group by all
