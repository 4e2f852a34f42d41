-- Control state. Money is integer nano US dollars, times are UTC text (ISO 8601, microseconds).
create table schema_version (version integer not null);
insert into schema_version values (0);

-- The last ledger commit whose effects are all here.
create table cursor (commit_no integer not null);
insert into cursor values (0);

create table incidents (
    id               text primary key,
    tenant           text not null,
    policy           text not null,
    scope            text not null,
    "window"         text not null,
    percent          integer not null,
    action           text not null,
    mode             text not null,
    is_assumed       integer not null,
    limit_nano_usd   integer,
    limit_tokens     integer,
    crossed_at       text not null,
    spent_nano_usd   integer not null,
    spent_tokens     integer not null,
    assumed_nano_usd integer not null,
    run_id           text not null,
    window_ends_at   text,
    state            text not null,       -- open, withdrawn
    detected_at      text not null,
    unique (tenant, policy, scope, "window", percent)
);

create table signals (
    seq              integer primary key autoincrement,
    id               text not null unique,
    tenant           text not null,
    run_id           text not null,
    loop             text,
    action           text not null,
    reason           text not null,
    policy           text,
    scope            text,
    "window"         text,
    incident_id      text,
    epoch            integer not null,
    issued_at        text not null,
    expires_at       text,
    delivered_at     text,
    delivered_by     text,
    acknowledged_at  text,
    confirmed_at     text,
    evidence         text,
    superseded_at    text
);
create index signals_of_run on signals (tenant, run_id);

create table outbox (
    seq              integer primary key autoincrement,
    id               text not null unique,
    incident_id      text not null,
    channel          text not null,
    type             text not null,
    body             text not null,
    created_at       text not null,
    attempts         integer not null,
    next_attempt_at  text not null,
    state            text not null,       -- pending, delivered, failed, replayed
    last_error       text
);
create index outbox_due on outbox (state, next_attempt_at);

create table audit (
    seq              integer primary key autoincrement,
    at               text not null,
    actor            text not null,
    verb             text not null,
    object           text not null,
    detail           text not null
);
