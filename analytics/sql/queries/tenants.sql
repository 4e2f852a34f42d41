-- Every tenant with records.
select distinct tenant from records
