-- schedule: one row: when the ledger's first record began, and the runs that another run started.
select
    min(coalesce(started_at, ended_at)) as first_at,
    list(distinct run) filter (where run is not null and run_parent is not null and run_parent <> run) as sub_runs
from records
where tenant = $tenant
