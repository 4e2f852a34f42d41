-- The runs that some session or trace ids (hex) stand for: those their records name, and those their calls are charged to.
with named as (
    select record_key, run
    from records
    where tenant = $tenant and (session in (select unnest($names)) or lower(hex(trace_id)) in (select unnest($names)))
),
charged as (
    select run
    from charges
    where tenant = $tenant
      and run is not null
      and call_id in (select call_id from links where tenant = $tenant and record_key in (select record_key from named))
    group by call_id, run
    having sum(sign) = 1
)
select run from named where run is not null
union
select run from charged
