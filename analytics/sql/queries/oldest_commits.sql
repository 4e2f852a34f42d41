-- Of a tenant's commits with evidence, or with records, that were made before $evidence_before or $records_before, the last of the oldest
-- $most. Metric points leave as if they had come $ahead earlier: a call must outlive the points that count it too. One row.
with made as (
    select
        max(commit_no) filter (where now_at < $evidence_before) as of_evidence,
        max(commit_no) filter (where now_at < $records_before) as of_records,
        max(commit_no) filter (where now_at < $records_before::timestamp + $ahead) as of_points
    from commits
),
evidence_due as (
    select distinct commit_no from evidence where tenant = $tenant and commit_no <= (select of_evidence from made) order by commit_no limit $most
),
records_due as (
    select distinct commit_no from records where tenant = $tenant and commit_no <= (select of_records from made) order by commit_no limit $most
),
points_due as (
    select distinct commit_no
    from records
    where tenant = $tenant and signal = 'point' and commit_no <= (select of_points from made)
    order by commit_no
    limit $most
),
through as (
    select
        coalesce((select max(commit_no) from evidence_due), 0) as evidence_through,
        coalesce((select max(commit_no) from records_due), 0) as records_through,
        coalesce((select max(commit_no) from points_due), 0) as points_through
)
select
    evidence_through, records_through, points_through,
    (select count(*) from evidence where tenant = $tenant and commit_no <= greatest(evidence_through, records_through)) as evidence,
    (
        select count(*)
        from records
        where tenant = $tenant
          and (commit_no <= records_through or (signal = 'point' and commit_no <= points_through))
    ) as records,
    (select max(now_at) from commits where commit_no <= evidence_through) as evidence_until,
    (select max(now_at) from commits where commit_no <= greatest(records_through, points_through)) as records_until
from through
