-- All revisions of call records that share an id with the wanted ones, or, between $from_us and $to_us, the process and the totals; where
-- one of both says no usage, the process is enough.
with found as materialized (  -- the view whole_records would join every record first
    select *
    from records
    where tenant = $tenant
      and signal in ('span', 'log')
      and kind in ('model', 'embedding', 'rerank', 'other')
      and commit_no in (select commit_no from wanted_commits)
),
calls as (
    select
        f.*,
        d.* exclude (tenant, commit_no, ordinal),
        coalesce(process, '') as of_process,
        coalesce(input_uncached_tokens, 0) + coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0)
            + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0) as in_tokens,
        coalesce(output_text_tokens, 0) + case when reasoning_apart then 0 else coalesce(reasoning_tokens, 0) end as out_tokens,
        epoch_us(coalesce(started_at, ended_at)) <= $to_us and epoch_us(coalesce(ended_at, started_at)) >= $from_us as is_near
    from found f
    left join record_details d using (tenant, commit_no, ordinal)
)
select * exclude (of_process, in_tokens, out_tokens, is_near)
from calls
where response_id in (select response_id from wanted where response_id is not null)
   or request_id in (select request_id from wanted where request_id is not null)
   or (is_near and (of_process, in_tokens, out_tokens) in (select (of_process, in_tokens, out_tokens) from wanted where said))
   or (is_near and in_tokens + out_tokens = 0 and of_process in (select of_process from wanted))
   or (is_near and of_process in (select of_process from wanted where not said))
