-- What prices and owners decide by, and who changed what was decided.
alter table records add column tags varchar;                    -- JSON of the attributes that owners.yaml asks for; null = none of them

drop view whole_records;
alter table record_details add column conditions varchar;       -- of its price, such as processing=batch; see prices.conditions
alter table record_details add column web_searches bigint;      -- that its provider ran and bills
create view whole_records as
select r.*, d.* exclude (tenant, commit_no, ordinal)
from records r
left join record_details d using (tenant, commit_no, ordinal);

alter table charges add column model_requested varchar;         -- the raw id
alter table charges add column conditions varchar;
alter table charges add column contract varchar;                -- name of what changed the list's price
alter table charges add column loop_rule varchar;               -- what decided the loop
alter table charges add column method varchar;                  -- of an allocation: how the shared cost was split
alter table charges add column reported tinyint;                -- presence counter of reported_usd
alter table charges add column reported_usd decimal(18, 9);     -- what the runtime said
alter table charges add column reporter varchar;                -- service.name of who said it
alter table charges add column web_searches bigint;
alter table charges add column audio_input_tokens bigint;       -- subsets of the buckets
alter table charges add column audio_output_tokens bigint;
alter table charges add column image_input_tokens bigint;

alter table prices add column conditions varchar;               -- that a call must meet, key=value in key order; null = none
alter table prices add column contract varchar;                 -- name of the contract
alter table prices add column list_set varchar;                 -- the list's price set that a contract changes
alter table prices add column teams varchar[];                  -- whom a contract is for; null = everybody
alter table prices add column recorded_at timestamp;
alter table prices add column audio_input_usd decimal(38, 18);  -- per token; null = as any other token of its bucket
alter table prices add column audio_cache_read_usd decimal(38, 18);
alter table prices add column audio_output_usd decimal(38, 18);
alter table prices add column image_input_usd decimal(38, 18);
alter table prices add column search_usd decimal(38, 18);       -- per web search
alter table prices add column request_usd decimal(38, 18);      -- per request, beside its tokens

-- What people changed after the fact: repricings, re-attributions, recounts, allocations. Charges name it in their reason.
create table operations (
    tenant       varchar not null,
    operation    bigint not null,
    commit_no    bigint not null,
    happened_at  timestamp not null,
    kind         varchar not null,
    who          varchar not null,
    why          varchar not null,
    since        timestamp,
    until        timestamp,
    filters      varchar,
    from_books   varchar[],
    to_book      varchar,
    calls        bigint not null,
    delta_usd    decimal(38, 9)
);
