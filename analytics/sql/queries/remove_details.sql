-- Removes what goes with them; only metric points have a series.
delete from record_details
where tenant = $tenant and (commit_no <= $records_through or (series_key is not null and commit_no <= $points_through))
