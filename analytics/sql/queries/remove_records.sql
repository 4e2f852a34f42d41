-- Removes a tenant's records of commits up to one; metric points up to a later one.
delete from records
where tenant = $tenant and (commit_no <= $records_through or (signal = 'point' and commit_no <= $points_through))
