-- The collector's clock at the newest commit; null in an empty ledger.
select max(now_at) as now_at from commits
