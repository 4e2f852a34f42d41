-- What telemetry claimed and its credential may not.
drop view whole_records;
alter table record_details add column claim varchar;            -- see analytics.model.RECORD
create view whole_records as
select r.*, d.* exclude (tenant, commit_no, ordinal)
from records r
left join record_details d using (tenant, commit_no, ordinal);
