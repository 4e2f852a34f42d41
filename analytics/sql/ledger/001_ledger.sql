-- The ledger: append-only tables, no keys, no indexes. Times are UTC. Money is US dollars, decimal(18, 9).

create table schema_version (version integer not null);

-- One row per commit. now_at is the collector's clock at the commit, which is event time under the replay clock.
create table commits (
    commit_no    bigint not null,
    now_at       timestamp not null,
    records      bigint not null,
    charges      bigint not null
);

-- One row per span, log record or metric point as received; of the same key the greatest revision holds.
create table records (
    tenant                 varchar not null,
    commit_no              bigint not null,
    ordinal                integer not null,        -- position in the commit; evidence refers to it
    signal                 varchar not null,        -- span, log, point
    record_key             ubigint not null,        -- what a resend repeats
    content_hash           ubigint not null,
    attribute_count        integer not null,
    resource               integer not null,        -- number of its resource in the commit; evidence refers to it
    trace_id               blob,
    span_id                blob,
    parent_span_id         blob,                    -- null for a root
    name                   varchar,
    kind                   varchar not null,
    dialect                varchar not null,
    runtime                varchar,
    service                varchar,
    started_at             timestamp,
    ended_at               timestamp,               -- null while open
    clock_skewed           boolean not null,
    failed                 boolean,
    error_type             varchar,
    loop                   varchar,
    run                    varchar,
    run_parent             varchar,
    role                   varchar,
    agent                  varchar,                 -- as the record says it
    team                   varchar,
    "user"                 varchar,
    session                varchar,
    provider               varchar,
    model_requested        varchar,
    model_served           varchar,
    response_id            varchar,
    tool                   varchar,
    tool_call_id           varchar,
    input_uncached_tokens  bigint,                  -- disjoint buckets; null = not said
    cache_read_tokens      bigint,
    cache_write_tokens     bigint,
    cache_write_5m_tokens  bigint,
    cache_write_1h_tokens  bigint,
    output_text_tokens     bigint,
    reasoning_tokens       bigint,
    usage_settled          varchar                  -- exact, derived, assumed
);

-- Which records are one call and which of them counts, and why. The newest row of a record holds.
create table links (
    tenant      varchar not null,
    commit_no   bigint not null,
    record_key  ubigint not null,
    identity    ubigint not null,                   -- fingerprint of the response id, else of the record's key
    call_id     ubigint not null,                   -- of the identity and the call's earliest record
    counts      boolean not null,
    reason      varchar not null,
    agent       varchar,                            -- its own or its nearest ancestor's
    role        varchar
);

-- Signed rows, one chain per call: version n+1 comes with the exact negative of version n. Sums over any rows are true.
create table charges (
    tenant                 varchar not null,
    commit_no              bigint not null,
    call_id                ubigint not null,
    version                integer not null,
    sign                   tinyint not null,        -- +1 the row, -1 its reversal
    kind                   varchar not null,        -- usage, correction, repricing, re-attribution, allocation
    reason                 varchar not null,
    happened_at            timestamp not null,      -- end of the call
    booked_period          date,                    -- month; differs from happened_at's only after a close
    call_kind              varchar not null,        -- model, embedding, rerank, tool, sandbox
    loop                   varchar,                 -- bills to
    run                    varchar,                 -- spent by
    agent                  varchar,
    role                   varchar,
    team                   varchar,
    cost_center            varchar,
    "user"                 varchar,
    environment            varchar,
    owner_rule             varchar,                 -- what decided the team
    provider               varchar,
    model                  varchar,                 -- canonical id
    model_served           varchar,
    tool                   varchar,
    runtime                varchar,
    unit                   varchar not null,        -- tokens, call, second
    quantity               decimal(18, 9),
    calls                  tinyint not null,        -- signed counters from here on
    unknown_calls          tinyint not null,
    unpriced_calls         tinyint not null,
    priced                 tinyint not null,        -- presence counters: a measure is null where its counter sums to 0
    usage_known            tinyint not null,
    cache_read_known       tinyint not null,
    cache_write_known      tinyint not null,
    reasoning_known        tinyint not null,
    input_uncached_tokens  bigint,
    cache_read_tokens      bigint,
    cache_write_tokens     bigint,
    cache_write_5m_tokens  bigint,
    cache_write_1h_tokens  bigint,
    output_text_tokens     bigint,
    reasoning_tokens       bigint,
    list_usd               decimal(18, 9),
    contracted_usd         decimal(18, 9),
    cost_usd               decimal(18, 9),          -- effective
    price_set              varchar,
    price_book             varchar,
    basis                  varchar,                 -- list, contract, reported, estimated
    unpriced_reason        varchar
);

-- Redacted attributes, see analytics/evidence.py. May expire; charges stay.
create table evidence (
    tenant     varchar not null,
    commit_no  bigint not null,
    records    integer not null,
    attributes blob not null
);

-- Every price set a charge may name: one unit price per bucket, US dollars per single token, call or second.
create table prices (
    price_set            varchar not null,
    price_book           varchar not null,
    source               varchar,
    basis                varchar not null,          -- list, contract
    provider             varchar,
    model                varchar,
    tool                 varchar,
    valid_from           timestamp,
    valid_to             timestamp,
    daily_from           time,
    daily_to             time,
    above_input_tokens   bigint,
    up_to_input_tokens   bigint,
    input_usd            decimal(38, 18),
    cache_read_usd       decimal(38, 18),
    cache_write_usd      decimal(38, 18),
    cache_write_1h_usd   decimal(38, 18),
    output_usd           decimal(38, 18),
    reasoning_usd        decimal(38, 18),
    call_usd             decimal(38, 18),
    second_usd           decimal(38, 18),
    inherited            varchar[],                 -- token prices that are their parent bucket's
    rounded              varchar[]                  -- prices that had more than 18 decimal places
);

-- Losses that somebody accepted with a reason, so that a ledger below its high-water mark serves again.
create table accepted_losses (
    accepted_at   timestamp not null,
    mark          bigint not null,
    found         bigint not null,
    reason        varchar not null
);
