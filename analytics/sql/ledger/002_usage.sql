-- What counting once needs of a record, and what a link leaves over.
alter table records add column process varchar;                 -- service.instance.id, else service.name
alter table records add column of_resource tinyint;             -- bits: whose facts its resource said

alter table links drop column identity;
alter table links add column remainder_tokens bigint;           -- what a sum holds beyond the calls below it: lost calls, never spend

-- What few records have; a row only for those. A table of its own, since every column of `records` costs at every commit.
create table record_details (
    tenant              varchar not null,
    commit_no           bigint not null,
    ordinal             integer not null,
    request_id          varchar,
    mcp_server          varchar,
    audio_input_tokens  bigint,                 -- subsets of the buckets
    audio_output_tokens bigint,
    image_input_tokens  bigint,
    usage_role          varchar,                -- sum, own, lifetime, partial, echo, free; null = of its own call
    reasoning_apart     boolean,                -- output counts leave reasoning out
    reported_usd        decimal(18, 9),         -- what the runtime says it cost
    series_key          ubigint,                -- metric points from here on
    measure             varchar,
    amount              bigint,
    is_cumulative       boolean
);

create view whole_records as
select r.*, d.* exclude (tenant, commit_no, ordinal)
from records r
left join record_details d using (tenant, commit_no, ordinal);
