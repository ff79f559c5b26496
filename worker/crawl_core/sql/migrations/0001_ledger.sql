-- 0001: the ledger. Only additive changes may follow within a minor version: processes of the version before go on
-- working while a deployment rolls.
--
-- Strings compare with COLLATE "C", so that their order is the keyspace's order. Columns stand in order of their
-- alignment: a search row is 60 bytes, and a crawl has millions.

CREATE TABLE crawl_job (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace          text NOT NULL,
    name               text NOT NULL,
    uid                text NOT NULL,                 -- names the frontier's keys, nothing else
    spec               jsonb NOT NULL,                -- as applied last
    identity           jsonb NOT NULL,                -- keyspace and source: what makes it the same crawl
    total              bigint NOT NULL,               -- strings in the keyspace
    bucket             text,                          -- null: named by each worker (scope Node)
    bucket_scope       text NOT NULL CHECK (bucket_scope IN ('Credential', 'Node', 'Job', 'Named')),
    limit_requests     integer NOT NULL CHECK (limit_requests > 0),
    limit_window_s     double precision NOT NULL CHECK (limit_window_s > 0),
    limit_timeout_s    double precision NOT NULL CHECK (limit_timeout_s > 0),
    limit_even         boolean NOT NULL,
    page_size          integer,                       -- null: as in the spec; else what the API was found to allow
    problem_reason     text,
    problem_message    text,
    request_bin        bigint NOT NULL DEFAULT 0,     -- where commits write their requests
    replays            bigint NOT NULL DEFAULT 0,     -- counts what reopens the job: see jobs.finish
    retention_s        double precision NOT NULL,     -- of the request log
    started_at         timestamptz NOT NULL DEFAULT now(),
    finished_at        timestamptz,
    deleted_at         timestamptz
);
CREATE UNIQUE INDEX crawl_job_name ON crawl_job (namespace, name) WHERE deleted_at IS NULL;

-- Counters live on the ranges: one row of the job would be a queue of all workers.
CREATE TABLE crawl_range (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id           bigint NOT NULL,
    fence            bigint NOT NULL DEFAULT 0,       -- only grows; a claim adds one
    covered          bigint NOT NULL DEFAULT 0,       -- strings of the keyspace that need no more work
    owner            uuid,                            -- one incarnation of a process, never a pod's name
    changed_at       timestamptz,
    searches         integer NOT NULL DEFAULT 0,
    requests         integer NOT NULL DEFAULT 0,
    artists          integer NOT NULL DEFAULT 0,      -- not returned to this job before
    artists_new      integer NOT NULL DEFAULT 0,      -- not in the ledger before
    truncated        integer NOT NULL DEFAULT 0,
    retries          integer NOT NULL DEFAULT 0,
    rate_limited     integer NOT NULL DEFAULT 0,
    string_new       integer NOT NULL DEFAULT 0,      -- new artists of the string that the cursor stands in
    length           smallint NOT NULL,
    counts_coverage  boolean NOT NULL DEFAULT true,   -- false: a replay, whose strings are covered already
    state            text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done')),
    first            text COLLATE "C" NOT NULL,
    last             text COLLATE "C" NOT NULL,
    cursor           jsonb,                           -- null: done
    CHECK ((cursor IS NULL) = (state = 'done'))
) WITH (fillfactor = 70);                             -- room for the next cursor on the same page (HOT)
CREATE INDEX crawl_range_open ON crawl_range (job_id, id) WHERE state = 'open';
CREATE INDEX crawl_range_job ON crawl_range (job_id);

CREATE TABLE search (
    job_id       bigint NOT NULL,
    finished_at  timestamptz NOT NULL,
    total        integer NOT NULL,
    results      smallint NOT NULL,
    new_artists  smallint NOT NULL,
    pages        smallint NOT NULL,
    truncated    boolean NOT NULL,
    string       text COLLATE "C" NOT NULL,
    PRIMARY KEY (job_id, string)
);

CREATE TABLE artist (
    first_seen   timestamptz NOT NULL,
    last_seen    timestamptz NOT NULL,
    followers    bigint,
    popularity   smallint,
    id           text COLLATE "C" PRIMARY KEY,
    name         text NOT NULL,
    first_query  text COLLATE "C" NOT NULL,
    genres       text[],
    images       jsonb
);

-- Which artists were returned to which job. No other way counts each of them once.
CREATE TABLE job_artist (
    job_id     bigint NOT NULL,
    artist_id  text COLLATE "C" NOT NULL,
    PRIMARY KEY (job_id, artist_id)
);

CREATE TABLE dead_letter (
    job_id        bigint NOT NULL,
    at            timestamptz NOT NULL,
    replay_range  bigint,                             -- the range that searches it again; null: nobody does
    attempts      integer NOT NULL,
    string        text COLLATE "C" NOT NULL,
    reason        text NOT NULL,
    last_error    text NOT NULL,
    PRIMARY KEY (job_id, string)
);

CREATE TABLE bucket (
    name               text PRIMARY KEY,
    limit_requests     integer NOT NULL CHECK (limit_requests > 0),
    limit_window_s     double precision NOT NULL CHECK (limit_window_s > 0),
    limit_timeout_s    double precision NOT NULL CHECK (limit_timeout_s > 0),
    limit_even         boolean NOT NULL,
    epoch              bigint NOT NULL DEFAULT 0,     -- each 429 and each unfreeze raises it
    frozen_until       timestamptz                    -- null: never frozen
);

-- A bucket's limits are the strictest of the unfinished jobs that use it.
--
-- One row (nulls when no unfinished job uses the bucket). Jobs of scope Node use the bucket of every node.
CREATE FUNCTION strictest_limits(bucket_name text)
RETURNS TABLE (requests integer, window_s double precision, timeout_s double precision, even boolean)
LANGUAGE sql STABLE AS $$
    SELECT min(limit_requests), max(limit_window_s), max(limit_timeout_s), bool_or(limit_even)
    FROM crawl_job
    WHERE finished_at IS NULL AND deleted_at IS NULL
      AND (bucket = bucket_name OR (bucket_scope = 'Node' AND bucket_name LIKE 'node:%'))
$$;
