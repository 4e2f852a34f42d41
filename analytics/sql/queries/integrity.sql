-- Reads every row of money and every commit once, so that a damaged block shows itself. One row.
select
    (select count(*) from commits) as commits,
    (select sum(records) from commits) - (select coalesce(sum(removed_records), 0) from operations) = (select count(*) from records)
        as records_agree,
    (select sum(charges) from commits) = (select count(*) from charges) as charges_agree,
    (select count(*) from (select call_id from charges group by call_id having sum(sign) not in (0, 1))) as broken_chains
