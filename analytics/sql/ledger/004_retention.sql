-- What left after its time or because somebody asked: operations say how much, and how far. `until` is when the last of it arrived.
alter table operations add column through_commit bigint;      -- of commits up to it
alter table operations add column removed_records bigint;     -- rows of records; commits.records still says how many there were
alter table operations add column removed_evidence bigint;    -- blobs
