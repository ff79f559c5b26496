-- 0005: what boards read of a ledger with millions of searches or a thousand jobs, without slowing the commits.
--
-- Searches are never changed and lie in the order of their commits, so BRIN finds an hour among 58 days: 32 kB for
-- 1.7 million of them, where a B-tree is 51 MB and a third more WAL a search. The partial indexes hold the few in a
-- hundred strings that were found, with all that is counted of them, and the few hundred that were truncated.
-- Commits wait while the three are built: about a second for 1.7 million searches.
CREATE INDEX search_finished ON search USING brin (finished_at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX search_found ON search (job_id, finished_at) INCLUDE (total, new_artists) WHERE total > 0;
CREATE INDEX search_truncated ON search (job_id, total) WHERE truncated;

-- A job's newest searches of those that ended from `since` to `until`, at most `max_rows`; newest first.
--
-- BRIN knows no order, but makes a look at a short time cheap. So this looks at the last second before the job's last
-- commit, and then at ever longer times before that, until it has enough. What clocks ahead of ours wrote comes with
-- the first look; what clocks behind wrote may be older than the job, hence the day.
CREATE FUNCTION newest_searches(job bigint, since timestamptz, until timestamptz, max_rows integer)
RETURNS SETOF search LANGUAGE plpgsql STABLE ROWS 200 AS $$
DECLARE
    earliest timestamptz := greatest(since, (SELECT started_at FROM crawl_job WHERE id = job) - interval '1 day');
    lower_end timestamptz := least(until, (SELECT max(changed_at) FROM crawl_range WHERE job_id = job));
    upper_end timestamptz := 'infinity';
    width interval := '1 second';
    missing integer := max_rows;
    found_here integer;
BEGIN
    WHILE missing > 0 AND upper_end > earliest LOOP
        lower_end := greatest(lower_end - width, earliest);
        RETURN QUERY EXECUTE
            'SELECT * FROM search WHERE job_id = $1 AND finished_at >= $2 AND finished_at < $3 AND finished_at <= $4'
            ' ORDER BY finished_at DESC LIMIT $5' USING job, lower_end, upper_end, until, missing;
        GET DIAGNOSTICS found_here = ROW_COUNT;
        missing := missing - found_here;
        upper_end := lower_end;
        width := 4 * width;
    END LOOP;
END $$;

-- Since when a job's requests are kept; null where there is no such job.
CREATE FUNCTION retained_since(job bigint) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT now() - make_interval(secs => retention_s) FROM crawl_job WHERE id = job
$$;

-- A job's newest requests of those from `since` to `until` within the retention, at most `max_rows`; newest first.
--
-- The bins are values when the query is planned, which a view cannot have: see requests.bins in requests.sql.
CREATE FUNCTION newest_requests(job bigint, since timestamptz, until timestamptz, max_rows integer)
RETURNS TABLE (at timestamptz, string text, page_offset smallint, page_size smallint, status smallint, outcome text,
               duration_s real, worker text)
LANGUAGE plpgsql STABLE ROWS 200 AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT at, string, page_offset, page_size, status, outcome, duration_s, worker FROM api_request'
        ' WHERE bin = ANY (%L::bigint[]) AND at BETWEEN $1 AND $2 ORDER BY at DESC LIMIT $3',
        array(SELECT id FROM request_bin WHERE job_id = job)
    ) USING greatest(since, retained_since(job)), until, max_rows;
END $$;

-- The last request of each of a job's workers and counts of all, from `since` to `until` within the retention.
CREATE FUNCTION requests_by_worker(job bigint, since timestamptz, until timestamptz)
RETURNS TABLE (worker text, at timestamptz, string text, status smallint, outcome text, requests bigint, ok bigint,
               rate_limited bigint, duration_s double precision)
LANGUAGE plpgsql STABLE ROWS 20 AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'WITH counted AS ('
        '    SELECT worker, max(at) AS at, count(*) AS requests, count(*) FILTER (WHERE outcome = ''ok'') AS ok,'
        '           count(*) FILTER (WHERE outcome = ''rate_limited'') AS rate_limited, avg(duration_s) AS duration_s'
        '    FROM api_request WHERE bin = ANY (%1$L::bigint[]) AND at BETWEEN $1 AND $2 GROUP BY worker)'
        ' SELECT DISTINCT ON (worker) worker, at, q.string, q.status, q.outcome, c.requests, c.ok, c.rate_limited,'
        '        c.duration_s'
        ' FROM counted c JOIN api_request q USING (worker, at) WHERE q.bin = ANY (%1$L::bigint[])'
        ' ORDER BY worker, q.string',
        array(SELECT id FROM request_bin WHERE job_id = job)
    ) USING greatest(since, retained_since(job)), until;
END $$;

-- Where a string stands among all of its length, in keyspace order and from 0.
CREATE FUNCTION keyspace_position(alphabet text, string text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT sum((strpos(alphabet, substr(string, place, 1)) - 1)
               * length(alphabet)::float8 ^ (length(string) - place))::bigint
    FROM generate_series(1, length(string)) place
$$;
