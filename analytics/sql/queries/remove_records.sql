delete from records
where tenant = $tenant and (commit_no <= $records_through or (signal = 'point' and commit_no <= $points_through))
