-- The processes with metric points that count tokens, "" for unnamed ones.
select distinct coalesce(process, '') as process from whole_records where tenant = $tenant and measure is not null
