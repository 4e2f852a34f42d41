-- All revisions of the spans of the wanted traces: what ancestry and the ranking of revisions need.
select
    r.record_key, r.content_hash, r.attribute_count, r.trace_id, r.parent_span_id, r.ended_at, r.agent, r.role,
    r.input_uncached_tokens, r.cache_read_tokens, r.cache_write_tokens, r.cache_write_5m_tokens, r.cache_write_1h_tokens,
    r.output_text_tokens, r.reasoning_tokens
from records r
where r.tenant = $tenant
  and r.signal = 'span'
  and r.commit_no in (select commit_no from wanted_commits)
  and r.trace_id in (select trace_id from wanted)
