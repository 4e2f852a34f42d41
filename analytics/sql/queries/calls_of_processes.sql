-- One row per record that counts for a call of the wanted processes, metric points aside.
with newest as (
    select *
    from links
    where tenant = $tenant
    qualify row_number() over (partition by record_key order by commit_no desc) = 1
)
select
    r.record_key, r.process, r.session, r.model_requested, r.model_served, l.call_id,
    coalesce(r.started_at, r.ended_at) as "from", coalesce(r.ended_at, r.started_at) as "to",
    coalesce(input_uncached_tokens, 0) + coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0)
        + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0) as in_tokens,
    coalesce(output_text_tokens, 0) + coalesce(reasoning_tokens, 0) as out_tokens
from records r
join newest l using (record_key)
where r.tenant = $tenant and r.signal in ('span', 'log') and l.counts and coalesce(r.process, '') in (select process from wanted)
