-- Who wrote the call records of the commits up to $through, in which processes.
select distinct process, signal, runtime, case when signal = 'log' then name end as name
from records
where tenant = $tenant and commit_no <= $through and signal in ('span', 'log') and kind in ('model', 'embedding', 'rerank', 'other')
  and (kind <> 'other' or input_uncached_tokens is not null or output_text_tokens is not null)
