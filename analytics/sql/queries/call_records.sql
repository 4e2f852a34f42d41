-- What names call records of the commits $first to $last, for the indexes.
select
    commit_no, signal, kind, name, runtime, process, response_id, request_id, started_at, ended_at, reasoning_apart,
    input_uncached_tokens, cache_read_tokens, cache_write_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
    output_text_tokens, reasoning_tokens
from whole_records
where tenant = $tenant and signal in ('span', 'log') and kind in ('model', 'embedding', 'rerank', 'other')
  and (kind <> 'other' or input_uncached_tokens is not null or output_text_tokens is not null)
  and commit_no between $first and $last
order by commit_no
