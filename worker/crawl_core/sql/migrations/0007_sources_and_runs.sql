-- 0007: artists by source, and runs of a job. What a run brought in lies under the run, and can be deleted with it.
--
-- A source is what the data is: rows of the sandbox and of a real API never mix, whatever their ids. A run is one crawl
-- of a job's keyspace; the job's current run is `crawl_job.run_id`. Artists stay when a run goes.
--
-- `search` and `run_artist` have partitions: one that small runs share, and one for each large run, whose id is its
-- partition's number. So a large run is dropped in one step, and there is no default partition, which could not be
-- detached from. Whoever writes names the partition, and so plans no other one: see `query` in backends/queries.py.
--
-- Takes the ledger for itself until it ends: it writes every search, artist and link once more. See docs/growth.md.
-- Processes of the version before cannot go on with what comes out.

-- All tables or none of them: a commit that has locked one and waits for the next would wait for us, and we for it. Who
-- reads for long, such as an export, is waited for, and commits go on meanwhile.
DO $$
BEGIN
    LOOP
        BEGIN
            SET LOCAL lock_timeout = '300ms';
            LOCK TABLE artists, progress, searches, requests, incomplete_searches, crawl_job, crawl_range, search, artist,
                job_artist, dead_letter, request_bin, api_request IN ACCESS EXCLUSIVE MODE;
            SET LOCAL lock_timeout = 0;
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            PERFORM pg_sleep(0.7);
        END;
    END LOOP;
END $$;

-- Of tables that were filled a moment ago the planner knows little, and what EXISTS asks for it expects to find soon: it
-- compared each artist with each.
SET LOCAL enable_nestloop = off;

CREATE TABLE source (
    id       smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type     text NOT NULL,                           -- source.type, or Unknown
    dataset  text NOT NULL,                           -- the service or catalogue, as source.dataset says
    market   text NOT NULL DEFAULT '',                -- '': none given
    detail   jsonb NOT NULL DEFAULT '{}',             -- of the sandbox: its catalogue
    UNIQUE (type, dataset, market)
);

CREATE TABLE crawl_run (
    id             integer PRIMARY KEY,               -- from 1,000,000,000 on: with partitions of its own
    number         integer NOT NULL,                  -- of the job's runs; grows
    job_id         bigint NOT NULL,
    total          bigint NOT NULL,                   -- strings in the keyspace
    replays        bigint NOT NULL DEFAULT 0,         -- counts what reopens the run: see jobs.finish
    started_at     timestamptz NOT NULL DEFAULT now(),
    finished_at    timestamptz,
    deleted_at     timestamptz,                       -- its rows are being deleted, or are
    emptied        boolean NOT NULL DEFAULT false,    -- they are
    covered        bigint,                            -- from here on: what the ranges had counted when it ended
    searches       bigint,
    requests       bigint,
    artists        bigint,
    artists_new    bigint,
    truncated      bigint,
    retries        bigint,
    rate_limited   bigint,
    dead_letters   bigint,
    incomplete     bigint,
    compared_with  integer,                           -- the run before: what `added` and `gone` are against
    added          bigint,                            -- artists that the run before had not returned
    gone           bigint,                            -- artists that only the run before had returned
    UNIQUE (job_id, number)
);
CREATE SEQUENCE small_run_id AS integer MAXVALUE 999999999;
CREATE SEQUENCE large_run_id AS integer MINVALUE 1000000000 START 1000000000;

-- Who may read stays who may read: the tables and views that are made anew are granted as the old ones are.
CREATE TEMP TABLE readers ON COMMIT DROP AS
SELECT CASE c.relname WHEN 'job_artist' THEN 'run_artist' ELSE c.relname END AS name,
       CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END AS reader
FROM pg_class c, aclexplode(c.relacl) acl
WHERE c.oid IN (to_regclass('search'), to_regclass('artist'), to_regclass('job_artist'), to_regclass('artists'),
                to_regclass('progress'), to_regclass('searches'), to_regclass('requests'),
                to_regclass('incomplete_searches'))
  AND acl.privilege_type = 'SELECT' AND acl.grantee <> c.relowner;

ALTER TABLE search RENAME TO search_before;
ALTER TABLE artist RENAME TO artist_before;
ALTER TABLE job_artist RENAME TO job_artist_before;

-- Columns stand in order of their alignment: a search of four characters is 60 bytes, and 33 in its index.
CREATE TABLE search (
    finished_at  timestamptz NOT NULL,
    run_id       integer NOT NULL,
    total        integer NOT NULL,
    results      smallint NOT NULL,
    new_artists  smallint NOT NULL,
    pages        smallint NOT NULL,
    truncated    boolean NOT NULL,
    string       text COLLATE "C" NOT NULL
) PARTITION BY RANGE (run_id);

-- Which artists were returned to which run. No other way counts each of them once.
CREATE TABLE run_artist (
    run_id      integer NOT NULL,
    artist_key  integer NOT NULL
) PARTITION BY RANGE (run_id);

-- The key stands for the artist wherever it repeats. It is drawn only for artists that are new: see batches.commit.
CREATE SEQUENCE artist_key AS integer;
CREATE TABLE artist (
    first_seen   timestamptz NOT NULL,
    last_seen    timestamptz NOT NULL,
    followers    bigint,
    key          integer NOT NULL,
    first_run    integer,                             -- null: not known, or of before 0007
    source_id    smallint NOT NULL,
    popularity   smallint,
    id           text COLLATE "C" NOT NULL,
    name         text NOT NULL,
    first_query  text COLLATE "C",                    -- of first_run; null: not known
    genres       text[],
    images       jsonb
);

-- Tables of a large run, to be attached. `name` is of the parent.
CREATE FUNCTION open_run_table(name text, run integer, until integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part text := name || '_' || CASE WHEN run = 0 THEN 'small' ELSE run::text END;
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, name);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', name, part, run, until);
END $$;

SELECT open_run_table('search', 0, 1000000000), open_run_table('run_artist', 0, 1000000000);

-- Begin a run of a job; returns its id. The job's ranges, and `crawl_job.run_id`, are the caller's, in one transaction.
--
-- Runs of 5,000,000 strings have partitions of their own: the rows of a default crawl, a third of that, are deleted one
-- by one in a minute, and would use up the 16 that there may be. Each costs every look at all runs a part of a
-- millisecond, and seven locks. See docs/growth.md.
CREATE FUNCTION open_run(job bigint, run_number integer, strings bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    run integer;
    of_its_own boolean := strings >= 5000000;
BEGIN
    IF of_its_own THEN
        -- One at a time, so that the number of partitions is kept to.
        PERFORM pg_advisory_xact_lock(hashtext('artistcrawl.open_run'));
        of_its_own := (SELECT count(*) FROM pg_inherits WHERE inhparent = to_regclass('search')) <= 16;
    END IF;
    IF of_its_own THEN
        run := nextval('large_run_id');
        PERFORM open_run_table('search', run, run + 1), open_run_table('run_artist', run, run + 1);
    ELSE
        run := nextval('small_run_id');
    END IF;
    INSERT INTO crawl_run (id, number, job_id, total) VALUES (run, run_number, job, strings);
    RETURN run;
END $$;

-- Drop a large run's own tables; false when somebody reads them. It waits briefly, since looks that come later wait
-- behind it; commits of other runs name their own tables and do not. A vacuum gives way only to who waits for a second,
-- and behind the first lock nobody else waits.
CREATE FUNCTION drop_run_tables(run integer) RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '3s' AS $$
BEGIN
    IF run >= 1000000000 AND to_regclass('search_' || run) IS NOT NULL THEN
        EXECUTE format('LOCK TABLE %I, %I IN SHARE UPDATE EXCLUSIVE MODE', 'search_' || run, 'run_artist_' || run);
        SET LOCAL lock_timeout = '200ms';
        EXECUTE format('DROP TABLE IF EXISTS %I, %I', 'search_' || run, 'run_artist_' || run);
    END IF;
    RETURN true;
EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
    RETURN false;
END $$;

ALTER TABLE crawl_job
    ADD COLUMN run_id integer,                        -- the current run
    ADD COLUMN source_id smallint,
    ADD COLUMN released_at timestamptz,               -- from then on no request of it can arrive; null: it binds
    ADD COLUMN page_size_tried_at timestamptz;        -- when the spec's page size was asked for last

-- What is in the ledger: each job has been crawled once, or is being crawled.
-- What makes it the same crawl, without what may change: range size, page size, addresses, timeout.
UPDATE crawl_job SET identity = jsonb_build_object(
    'keyspace', (identity -> 'keyspace') - 'rangeSize',
    'source', ((identity -> 'source') - '{baseURL,tokenURL,pageSize,requestTimeout,termsAccepted}'::text[])
        || jsonb_build_object('dataset', coalesce(
            identity #>> '{source,dataset}',
            CASE
                WHEN identity #>> '{source,type}' <> 'Spotify' THEN lower(identity #>> '{source,type}')
                WHEN identity #>> '{source,baseURL}' IS NULL THEN 'spotify'
                -- Scheme, address and path: the address without its scheme's own port.
                ELSE (
                    SELECT CASE WHEN split_part(address, ':', 1) = 'api.spotify.com' THEN 'spotify' ELSE address END
                    FROM (
                        SELECT regexp_replace(
                            lower(identity #>> '{source,baseURL}'),
                            '^(?:http://([^/]*?)(?::80)?|https://([^/]*?)(?::443)?)(?:/.*)?$', '\1\2'
                        ) AS address
                    ) AS of_base_url
                )
            END
        ))
);
INSERT INTO source (type, dataset, market)
SELECT DISTINCT identity #>> '{source,type}', identity #>> '{source,dataset}', coalesce(identity #>> '{source,market}', '')
FROM crawl_job;
-- What a deleted job still has of searches and links goes with the old tables: its run is a small and empty one.
UPDATE crawl_job j SET
    run_id = open_run(j.id, 1, CASE WHEN j.deleted_at IS NULL THEN j.total ELSE 0 END), source_id = s.id
FROM source s
WHERE (s.type, s.dataset, s.market)
    = (j.identity #>> '{source,type}', j.identity #>> '{source,dataset}', coalesce(j.identity #>> '{source,market}', ''));
UPDATE crawl_run n SET
    total = j.total, started_at = j.started_at, finished_at = j.finished_at, deleted_at = j.deleted_at, replays = j.replays
FROM crawl_job j WHERE j.run_id = n.id;

INSERT INTO search (finished_at, run_id, total, results, new_artists, pages, truncated, string)
SELECT s.finished_at, j.run_id, s.total, s.results, s.new_artists, s.pages, s.truncated, s.string
FROM search_before s JOIN crawl_job j ON j.id = s.job_id AND j.deleted_at IS NULL;

-- An artist is of the sources of the jobs that returned it. Of two sources it is two, and who found it first is not
-- known; what no job returned is of an unknown source. A job that alone returned an artist found it first, unless the
-- artist was there before the job was.
CREATE TEMP TABLE artist_origin ON COMMIT DROP AS
SELECT l.artist_id AS id, j.source_id, count(*) AS jobs, min(j.run_id) AS run_id, min(j.started_at) AS started_at
FROM job_artist_before l JOIN crawl_job j ON j.id = l.job_id
GROUP BY 1, 2;
CREATE TEMP TABLE artist_ambiguous ON COMMIT DROP AS
SELECT id FROM artist_origin GROUP BY id HAVING count(*) > 1;
ANALYZE artist_origin, artist_ambiguous;
INSERT INTO source (type, dataset)
SELECT 'Unknown', 'unknown'
WHERE EXISTS (SELECT FROM artist_before a WHERE NOT EXISTS (SELECT FROM artist_origin o WHERE o.id = a.id));
INSERT INTO artist (key, source_id, first_seen, last_seen, followers, popularity, id, name, genres, images,
                    first_run, first_query)
SELECT nextval('artist_key'), coalesce(o.source_id, (SELECT id FROM source WHERE type = 'Unknown')),
       a.first_seen, a.last_seen, a.followers, a.popularity, a.id, a.name, a.genres, a.images,
       CASE WHEN o.jobs = 1 AND ambiguous.id IS NULL AND a.first_seen >= o.started_at THEN o.run_id END,
       CASE WHEN ambiguous.id IS NULL THEN a.first_query END
FROM artist_before a
LEFT JOIN artist_origin o ON o.id = a.id
LEFT JOIN artist_ambiguous ambiguous ON ambiguous.id = a.id;
ALTER TABLE artist
    ADD PRIMARY KEY (key),
    ADD CONSTRAINT artist_of_source UNIQUE (source_id, id);
ANALYZE artist;

INSERT INTO run_artist (run_id, artist_key)
SELECT j.run_id, a.key
FROM job_artist_before l
JOIN crawl_job j ON j.id = l.job_id AND j.deleted_at IS NULL
JOIN artist a ON a.source_id = j.source_id AND a.id = l.artist_id;

-- Ranges and dead letters go to the job's run. The tables are written anew, so that nothing of before stays in them.
CREATE FUNCTION run_of_job(job bigint) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT run_id FROM crawl_job WHERE id = job
$$;
DELETE FROM crawl_range r WHERE NOT EXISTS (SELECT FROM crawl_job j WHERE j.id = r.job_id);
DELETE FROM dead_letter d WHERE NOT EXISTS (SELECT FROM crawl_job j WHERE j.id = d.job_id);
DROP VIEW artists, progress, searches, requests, incomplete_searches;
ALTER TABLE crawl_range ALTER COLUMN job_id TYPE integer USING run_of_job(job_id);
ALTER TABLE crawl_range RENAME COLUMN job_id TO run_id;
ALTER INDEX crawl_range_job RENAME TO crawl_range_run;
ALTER TABLE dead_letter ALTER COLUMN job_id TYPE integer USING run_of_job(job_id);
ALTER TABLE dead_letter RENAME COLUMN job_id TO run_id;
DROP FUNCTION run_of_job(bigint);

-- Of a run's searches, counted as they come: a look at a run need not read 100 million of them.
CREATE FUNCTION results_bucket(total integer) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT width_bucket(total, ARRAY[1, 2, 6, 21, 51, 201, 1000])
$$;
ALTER TABLE crawl_range
    ADD COLUMN incomplete integer NOT NULL DEFAULT 0, -- strings with fewer results than their total said
    -- Strings with 1, 2-5, 6-20, 21-50, 51-200, 201-999, 1000 or more results, as the API reports.
    ADD COLUMN by_results integer[] NOT NULL DEFAULT '{0,0,0,0,0,0,0}';
UPDATE crawl_range r SET incomplete = s.incomplete, by_results = s.by_results
FROM (
    SELECT (SELECT min(id) FROM crawl_range WHERE run_id = bucket.run_id) AS range_id,
           sum(bucket.incomplete)::integer AS incomplete,
           array(SELECT coalesce(sum(counted.strings) FILTER (WHERE counted.place = b), 0)::integer
                 FROM generate_series(1, 7) b, LATERAL unnest(array_agg(bucket.place), array_agg(bucket.strings))
                      AS counted(place, strings) GROUP BY b ORDER BY b) AS by_results
    FROM (
        SELECT run_id, results_bucket(total) AS place, count(*) AS strings,
               count(*) FILTER (WHERE results < total AND NOT truncated) AS incomplete
        FROM search GROUP BY 1, 2
    ) bucket
    GROUP BY bucket.run_id
) s
WHERE r.id = s.range_id;

DROP FUNCTION newest_searches(bigint, timestamptz, timestamptz, integer);
DROP FUNCTION strictest_limits(text);
DROP TABLE search_before, artist_before, job_artist_before;
ALTER TABLE crawl_job
    ALTER COLUMN source_id SET NOT NULL,
    DROP COLUMN total, DROP COLUMN started_at, DROP COLUMN finished_at, DROP COLUMN replays;

CREATE UNIQUE INDEX crawl_job_run ON crawl_job (run_id);
ALTER TABLE search ADD PRIMARY KEY (run_id, string);
ALTER TABLE run_artist ADD PRIMARY KEY (run_id, artist_key);
-- For boards and lists, as of 0005 and 0006.
CREATE INDEX search_finished ON search USING brin (finished_at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX search_found ON search (run_id, finished_at) INCLUDE (total, new_artists) WHERE total > 0;
CREATE INDEX search_truncated ON search (run_id, total) WHERE truncated;
CREATE INDEX search_incomplete ON search (run_id, string) WHERE results < total AND NOT truncated;
ANALYZE search, run_artist, crawl_range, crawl_job, crawl_run;
SET LOCAL enable_nestloop TO DEFAULT;

-- What the runs that have ended had counted.
UPDATE crawl_run n SET
    covered = r.covered, searches = r.searches, requests = r.requests, artists = r.artists, artists_new = r.artists_new,
    truncated = r.truncated, retries = r.retries, rate_limited = r.rate_limited,
    dead_letters = (SELECT count(*) FROM dead_letter WHERE run_id = n.id),
    incomplete = r.incomplete
FROM (
    SELECT run_id, sum(incomplete) AS incomplete, sum(covered) AS covered, sum(searches) AS searches, sum(requests) AS requests,
           sum(artists) AS artists, sum(artists_new) AS artists_new, sum(truncated) AS truncated,
           sum(retries) AS retries, sum(rate_limited) AS rate_limited
    FROM crawl_range GROUP BY run_id
) r
WHERE r.run_id = n.id AND n.finished_at IS NOT NULL;

-- A bucket's limits are the strictest of the unfinished jobs that use it.
--
-- One row (nulls when no unfinished job uses the bucket). Jobs of scope Node use the bucket of every node.
CREATE FUNCTION strictest_limits(bucket_name text)
RETURNS TABLE (requests integer, window_s double precision, timeout_s double precision, even boolean)
LANGUAGE sql STABLE AS $$
    SELECT min(limit_requests), max(limit_window_s), max(limit_timeout_s), bool_or(limit_even)
    FROM crawl_job j JOIN crawl_run n ON n.id = j.run_id
    WHERE n.finished_at IS NULL AND j.deleted_at IS NULL
      AND (bucket = bucket_name OR (bucket_scope = 'Node' AND bucket_name LIKE 'node:%'))
$$;

-- The source row of what a job crawls; made where it is missing.
CREATE FUNCTION source_row(source_type text, source_dataset text, source_market text) RETURNS smallint
LANGUAGE plpgsql AS $$
DECLARE
    found smallint;
BEGIN
    SELECT id INTO found FROM source WHERE (type, dataset, market) = (source_type, source_dataset, source_market);
    IF found IS NULL THEN
        INSERT INTO source (type, dataset, market) VALUES (source_type, source_dataset, source_market)
        ON CONFLICT (type, dataset, market) DO UPDATE SET type = excluded.type RETURNING id INTO found;
    END IF;
    RETURN found;
END $$;

-- Those of some artists that the ledger has. By their index however few there are: the plan is kept while they become
-- millions.
CREATE FUNCTION known_artists(source smallint, ids text[]) RETURNS SETOF artist
LANGUAGE plpgsql STABLE ROWS 50 SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY SELECT * FROM artist WHERE source_id = source AND id = ANY (ids COLLATE "C");
END $$;

-- A run's newest searches of those that ended from `since` to `until`, at most `max_rows`; newest first. See 0005.
CREATE FUNCTION newest_searches(run integer, since timestamptz, until timestamptz, max_rows integer)
RETURNS SETOF search LANGUAGE plpgsql STABLE ROWS 200 AS $$
DECLARE
    earliest timestamptz := greatest(since, (SELECT started_at FROM crawl_run WHERE id = run) - interval '1 day');
    lower_end timestamptz := least(until, (SELECT max(changed_at) FROM crawl_range WHERE run_id = run));
    upper_end timestamptz := 'infinity';
    width interval := '1 second';
    missing integer := max_rows;
    found_here integer;
BEGIN
    WHILE missing > 0 AND upper_end > earliest LOOP
        lower_end := greatest(lower_end - width, earliest);
        RETURN QUERY EXECUTE format(
            'SELECT * FROM search WHERE run_id = %s AND finished_at >= $1 AND finished_at < $2 AND finished_at <= $3'
            ' ORDER BY finished_at DESC LIMIT $4', run) USING lower_end, upper_end, until, missing;
        GET DIAGNOSTICS found_here = ROW_COUNT;
        missing := missing - found_here;
        upper_end := lower_end;
        width := 4 * width;
    END LOOP;
END $$;

-- A run's truncated strings with the largest totals, at most `max_rows`.
CREATE FUNCTION largest_truncated(run integer, max_rows integer) RETURNS SETOF search
LANGUAGE plpgsql STABLE ROWS 100 AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT * FROM search WHERE run_id = %s AND truncated ORDER BY total DESC, string LIMIT $1', run) USING max_rows;
END $$;

-- What a run brought in from `since` to `until`: strings with results and new artists, a point for each `width`.
--
-- Point by point, each a stretch of the index: to sort millions of instants into points takes as long as to read them.
CREATE FUNCTION yield_over_time(run integer, since timestamptz, until timestamptz, width interval)
RETURNS TABLE ("time" timestamptz, found bigint, new_artists bigint) LANGUAGE plpgsql STABLE ROWS 1000 AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT point.start, c.found, c.new_artists'
        ' FROM generate_series(date_bin($3, $1, ''epoch''), $2, $3) AS point(start)'
        ' CROSS JOIN LATERAL ('
        '    SELECT count(*) AS found, sum(new_artists)::bigint AS new_artists FROM search'
        '    WHERE run_id = %s AND total > 0 AND finished_at >= greatest(point.start, $1)'
        '      AND finished_at < point.start + $3 AND finished_at <= $2'
        ' ) c WHERE c.found > 0', run) USING since, until, width;
END $$;

-- What people query. Columns may be added, never taken away.
CREATE VIEW sources AS
SELECT id AS source_id, dataset AS source, type, nullif(market, '') AS market, detail FROM source;

CREATE VIEW artists AS
SELECT s.dataset AS source, a.id, a.name, a.popularity, a.followers, a.genres, a.images, a.first_query, a.first_seen,
       a.last_seen, j.namespace AS first_namespace, j.name AS first_job, n.number AS first_run, s.type AS source_type,
       nullif(s.market, '') AS market, a.source_id, a.key AS artist_key
FROM artist a
JOIN source s ON s.id = a.source_id
LEFT JOIN crawl_run n ON n.id = a.first_run
LEFT JOIN crawl_job j ON j.id = n.job_id;

-- Which artists were returned to which run.
CREATE VIEW run_artists AS
SELECT j.namespace, j.name, n.number AS run, n.id = j.run_id AS current, s.dataset AS source, a.id AS artist_id,
       a.name AS artist_name, j.id AS job_id, l.run_id, l.artist_key, s.type AS source_type
FROM run_artist l
JOIN crawl_run n ON n.id = l.run_id
JOIN crawl_job j ON j.id = n.job_id
JOIN artist a ON a.key = l.artist_key
JOIN source s ON s.id = a.source_id
WHERE j.deleted_at IS NULL AND n.deleted_at IS NULL;

CREATE VIEW runs AS
SELECT j.namespace, j.name, n.number AS run, n.id = j.run_id AS current, s.dataset AS source, n.total AS strings,
       n.started_at, n.finished_at,
       CASE WHEN n.finished_at IS NULL THEN r.covered ELSE n.covered END AS covered,
       CASE WHEN n.finished_at IS NULL THEN r.searches ELSE n.searches END AS searches,
       CASE WHEN n.finished_at IS NULL THEN r.requests ELSE n.requests END AS requests,
       CASE WHEN n.finished_at IS NULL THEN r.artists ELSE n.artists END AS artists,
       CASE WHEN n.finished_at IS NULL THEN r.artists_new ELSE n.artists_new END AS artists_new,
       n.added, n.gone,
       CASE WHEN n.finished_at IS NULL THEN (SELECT count(*) FROM dead_letter d WHERE d.run_id = n.id)
            ELSE n.dead_letters END AS dead_letters,
       CASE WHEN n.finished_at IS NULL THEN r.incomplete ELSE n.incomplete END AS incomplete,
       n.deleted_at AS data_deleted_at, j.id AS job_id, n.id AS run_id, s.type AS source_type
FROM crawl_run n
JOIN crawl_job j ON j.id = n.job_id
JOIN source s ON s.id = j.source_id
LEFT JOIN LATERAL (
    SELECT coalesce(sum(covered), 0)::bigint AS covered, coalesce(sum(searches), 0)::bigint AS searches,
           coalesce(sum(requests), 0)::bigint AS requests, coalesce(sum(artists), 0)::bigint AS artists,
           coalesce(sum(artists_new), 0)::bigint AS artists_new, coalesce(sum(incomplete), 0)::bigint AS incomplete
    FROM crawl_range WHERE run_id = n.id
) r ON n.finished_at IS NULL
WHERE j.deleted_at IS NULL;

CREATE VIEW progress AS
SELECT j.namespace, j.name, n.total AS strings, coalesce(r.covered, 0) AS covered,
       round(100.0 * coalesce(r.covered, 0) / n.total, 2) AS percent,
       r.open_ranges, r.done_ranges, r.searches, r.requests, r.artists, r.artists_new, r.truncated,
       (SELECT count(*) FROM dead_letter d WHERE d.run_id = n.id) AS dead_letters,
       r.retries, r.rate_limited, r.changed_at, n.started_at, n.finished_at, j.id AS job_id, n.number AS run,
       s.dataset AS source, s.type AS source_type
FROM crawl_job j JOIN crawl_run n ON n.id = j.run_id JOIN source s ON s.id = j.source_id, LATERAL (
    SELECT sum(covered)::bigint AS covered,
           count(*) FILTER (WHERE state = 'open') AS open_ranges, count(*) FILTER (WHERE state = 'done') AS done_ranges,
           sum(searches) AS searches, sum(requests) AS requests, sum(artists) AS artists,
           sum(artists_new) AS artists_new, sum(truncated) AS truncated, sum(retries) AS retries,
           sum(rate_limited) AS rate_limited, max(changed_at) AS changed_at
    FROM crawl_range WHERE run_id = n.id
) r
WHERE j.deleted_at IS NULL;

CREATE VIEW searches AS
SELECT j.namespace, j.name, s.string, s.pages, s.total, s.results, s.truncated, s.new_artists, s.finished_at, j.id AS job_id,
       n.number AS run, o.dataset AS source, s.run_id, o.type AS source_type, n.id = j.run_id AS current
FROM search s JOIN crawl_run n ON n.id = s.run_id JOIN crawl_job j ON j.id = n.job_id JOIN source o ON o.id = j.source_id
WHERE j.deleted_at IS NULL AND n.deleted_at IS NULL;

CREATE VIEW incomplete_searches AS
SELECT j.namespace, j.name, s.string, s.results, s.total, s.pages, s.finished_at, j.id AS job_id, n.number AS run,
       o.dataset AS source, o.type AS source_type, n.id = j.run_id AS current
FROM search s JOIN crawl_run n ON n.id = s.run_id JOIN crawl_job j ON j.id = n.job_id JOIN source o ON o.id = j.source_id
WHERE s.results < s.total AND NOT s.truncated AND j.deleted_at IS NULL AND n.deleted_at IS NULL;

CREATE VIEW requests AS
SELECT j.namespace, j.name, q.at, q.string, q.page_offset, q.page_size, q.status, q.outcome, q.duration_s, q.worker,
       b.job_id
FROM request_bin b JOIN crawl_job j ON j.id = b.job_id JOIN api_request q ON q.bin = b.id
WHERE j.deleted_at IS NULL AND q.at > now() - make_interval(secs => j.retention_s);

DO $$
DECLARE
    granted record;
BEGIN
    FOR granted IN SELECT name, reader FROM readers LOOP
        EXECUTE format('GRANT SELECT ON %I TO %s', granted.name, granted.reader);
    END LOOP;
    -- What the boards read of a job is under its run and its source by now.
    FOR granted IN SELECT DISTINCT reader FROM readers WHERE name = 'search' LOOP
        EXECUTE format('GRANT SELECT ON crawl_run, source, runs, run_artists, sources TO %s', granted.reader);
    END LOOP;
END $$;
