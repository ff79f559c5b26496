-- name: commit
-- Everything a worker learnt in a range since its last commit, in one statement that is all or nothing.
--
-- ARGS    range_id, owner, fence, expected: who may commit, and where the range stood when the work began
--         cursor: jsonb, where it stands now; null when the range is done
--         searches, artists, requests, dead_letters, children: JSON arrays
--         artist_ids: those of `artists`
--         new_requests, retries, rate_limited, covered: what to add to the range's counters
--         {search}, {run_artist}: the run's own tables
-- RESULT  one row (children: ids of the new ranges in order, artists: not returned to this run before,
--         artists_new: not known of this source before, artists_written: those and the ones whose row was written again), or no
--         row: the range has another owner or another cursor, and nothing was written
-- TIME    the worker's, in the rows; now() for the range
--
-- `checkpoint` decides. It locks the range's row, so it waits for a commit in flight and then reads what that one left.
--   Why the fence: a worker that was stopped past its lease would commit over the range's next owner
--   (test_a_stopped_owner_cannot_commit_after_another_took_the_range).
--   Why the cursor, too: a batch that is sent again, while its first sending is still in flight, must land once
--   (test_a_commit_in_flight_is_not_applied_twice). And after a failover that lost commits the fence is still this
--   worker's, but the next batch would skip what was lost
--   (test_after_a_failover_that_lost_commits_the_next_batch_is_refused).
--
-- Every other part selects from `checkpoint`: PostgreSQL runs a data-modifying part even where nothing reads it, so one
-- that does not would write although the fence fails (test_a_refused_commit_writes_nothing_in_any_table).
-- Artists come before run_artist, those in the order of their ids and these in that of their keys, so that no two
-- batches wait for each other (test_workers_with_the_same_artists_in_many_batches_never_deadlock).
--
-- Failed requests alone are no progress, and move `changed_at` as little as the cursor: a crawl that nobody's requests
-- succeed in would pass for one that moves (test_failed_requests_alone_are_no_progress).
--
-- A search that is there already is that of a string that is replayed since it was incomplete: the row is the newer one's,
-- and counts once (test_a_replay_of_an_incomplete_string_has_one_row_and_counts_once). Only a range that covers nothing
-- replays. In another one a string that was done before is a defect, which the primary key refuses: it would be covered
-- twice (test_a_string_that_is_done_twice_is_refused_where_it_counts).
--
-- Artists are looked up first: one that is known and unchanged is neither locked nor written, and draws no key. The key
-- has 31 bits, which an upsert of all that is returned would use up in years. An artist that another batch inserts
-- meanwhile is updated, so that its key comes back. The flat arrays come as json, which is read once; artists as jsonb,
-- since json would be read again for each nested value.
WITH checkpoint AS MATERIALIZED (
    SELECT r.id, r.run_id, r.counts_coverage, r.string_new, r.cursor ->> 'string' AS string, j.id AS job_id, j.source_id
    FROM crawl_range r JOIN crawl_run n ON n.id = r.run_id JOIN crawl_job j ON j.id = n.job_id
    WHERE r.id = %(range_id)s AND r.owner = %(owner)s AND r.fence = %(fence)s AND r.state = 'open'
      AND r.cursor = %(expected)s::jsonb
    FOR UPDATE OF r
), found AS MATERIALIZED (
    SELECT c.run_id, c.source_id, a.*, to_timestamp(a.seen_at_us::float8 / 1000000) AS seen_at, k.key,
           k.key IS NULL OR k.last_seen < to_timestamp(a.seen_at_us::float8 / 1000000) - interval '24 hours'
           OR (a.name, coalesce(a.popularity, k.popularity), coalesce(a.followers, k.followers),
               coalesce(a.genres, k.genres), coalesce(a.images, k.images))
              IS DISTINCT FROM (k.name, k.popularity, k.followers, k.genres, k.images) AS is_due
    FROM checkpoint c CROSS JOIN jsonb_to_recordset(%(artists)s::jsonb) AS a(
        id text COLLATE "C", name text, popularity smallint, followers bigint, genres text[], images jsonb,
        first_query text COLLATE "C", seen_at_us bigint)
    LEFT JOIN known_artists(c.source_id, %(artist_ids)s::text[]) k ON k.id = a.id
), stored AS (
    INSERT INTO artist AS a (key, source_id, id, name, popularity, followers, genres, images, first_run, first_query,
                             first_seen, last_seen)
    SELECT coalesce(f.key, nextval('artist_key')), f.source_id, f.id, f.name, f.popularity, f.followers, f.genres,
           f.images, f.run_id, f.first_query, f.seen_at, f.seen_at
    FROM found f
    WHERE f.is_due
    ORDER BY f.id
    ON CONFLICT (source_id, id) DO UPDATE SET
        name = excluded.name,
        popularity = coalesce(excluded.popularity, a.popularity),
        followers = coalesce(excluded.followers, a.followers),
        genres = coalesce(excluded.genres, a.genres),
        images = coalesce(excluded.images, a.images),
        last_seen = greatest(a.last_seen, excluded.last_seen)
    RETURNING key, id, (xmax = 0) AS is_new, first_query
), returned AS (
    INSERT INTO {run_artist} (run_id, artist_key)
    SELECT f.run_id, coalesce(f.key, s.key) FROM found f LEFT JOIN stored s ON s.id = f.id ORDER BY 2
    ON CONFLICT DO NOTHING
    RETURNING 1
), news AS (
    SELECT first_query AS string, count(*) AS artists FROM stored WHERE is_new GROUP BY first_query
), finished AS MATERIALIZED (
    SELECT c.run_id, c.counts_coverage, s.string, s.pages, s.total, s.truncated, s.results,
           coalesce(n.artists, 0) + CASE WHEN s.string = c.string THEN c.string_new ELSE 0 END AS new_artists,
           to_timestamp(s.finished_at_us::float8 / 1000000) AS at
    FROM checkpoint c, json_to_recordset(%(searches)s::json) AS s(
        string text COLLATE "C", pages smallint, total integer, truncated boolean, results smallint,
        finished_at_us bigint)
    LEFT JOIN news n USING (string)
), before AS MATERIALIZED (
    SELECT known.string, known.total, known.results, known.truncated
    FROM finished f JOIN {search} known ON known.run_id = f.run_id AND known.string = f.string
    WHERE NOT f.counts_coverage
), searched_again AS (
    UPDATE {search} known SET
        pages = f.pages, total = f.total, truncated = f.truncated, results = f.results,
        new_artists = known.new_artists + f.new_artists, finished_at = f.at
    FROM finished f
    WHERE NOT f.counts_coverage AND known.run_id = f.run_id AND known.string = f.string
), searched AS (
    INSERT INTO {search} (run_id, string, pages, total, truncated, results, new_artists, finished_at)
    SELECT f.run_id, f.string, f.pages, f.total, f.truncated, f.results, f.new_artists, f.at
    FROM finished f
    WHERE f.string NOT IN (SELECT string FROM before)
    RETURNING 1
), counted AS (
    SELECT results_bucket(total) AS place, (results < total AND NOT truncated)::integer AS incomplete, 1 AS strings
    FROM finished
    UNION ALL
    SELECT results_bucket(total), -(results < total AND NOT truncated)::integer, -1 FROM before
), answered AS (
    DELETE FROM dead_letter d USING finished f
    WHERE NOT f.counts_coverage AND d.run_id = f.run_id AND d.string = f.string
), buried AS (
    INSERT INTO dead_letter (run_id, string, reason, attempts, last_error, at)
    SELECT c.run_id, d.string, d.reason, d.attempts, d.last_error, to_timestamp(d.at_us::float8 / 1000000)
    FROM checkpoint c, json_to_recordset(%(dead_letters)s::json) AS d(
        string text, reason text, attempts integer, last_error text, at_us bigint)
    ON CONFLICT (run_id, string) DO UPDATE SET
        reason = excluded.reason, attempts = excluded.attempts, last_error = excluded.last_error,
        at = excluded.at, replay_range = NULL
), logged AS (
    INSERT INTO api_request (at, job_id, duration_s, page_offset, page_size, status, string, outcome, worker)
    SELECT to_timestamp(q.at_us::float8 / 1000000), c.job_id, q.duration_s, q.page_offset, q.page_size, q.status,
           q.string, q.outcome, q.worker
    FROM checkpoint c, json_to_recordset(%(requests)s::json) AS q(
        at_us bigint, duration_s real, page_offset smallint, page_size smallint, status smallint,
        string text, outcome text, worker text)
), spawned AS (
    INSERT INTO crawl_range (run_id, length, first, last, cursor, counts_coverage)
    SELECT c.run_id, k.length, k.first, k.last, jsonb_build_object('string', k.first), c.counts_coverage
    FROM checkpoint c, json_to_recordset(%(children)s::json) AS k(length smallint, first text, last text)
    RETURNING id
)
UPDATE crawl_range r SET
    cursor = %(cursor)s::jsonb,
    state = CASE WHEN %(cursor)s::jsonb IS NULL THEN 'done' ELSE 'open' END,
    changed_at = CASE WHEN %(cursor)s::jsonb - 'batch' IS DISTINCT FROM r.cursor - 'batch' THEN now()
                      ELSE r.changed_at END,
    searches = r.searches + (SELECT count(*) FROM searched),
    truncated = r.truncated + (SELECT count(*) FROM finished WHERE truncated),
    incomplete = r.incomplete + (SELECT coalesce(sum(incomplete), 0) FROM counted),
    by_results = array(SELECT r.by_results[b] + (SELECT coalesce(sum(strings), 0) FROM counted WHERE place = b)
                       FROM generate_series(1, 7) b),
    artists = r.artists + (SELECT count(*) FROM returned),
    artists_new = r.artists_new + (SELECT count(*) FROM stored WHERE is_new),
    requests = r.requests + %(new_requests)s,
    retries = r.retries + %(retries)s,
    rate_limited = r.rate_limited + %(rate_limited)s,
    covered = r.covered + CASE WHEN c.counts_coverage THEN %(covered)s ELSE 0 END,
    string_new = coalesce((SELECT artists FROM news WHERE string = %(cursor)s::jsonb ->> 'string'), 0)
               + CASE WHEN c.string = %(cursor)s::jsonb ->> 'string' THEN c.string_new ELSE 0 END
FROM checkpoint c
WHERE r.id = c.id
RETURNING (SELECT array_agg(id ORDER BY id) FROM spawned) AS children,
          (SELECT count(*) FROM returned) AS artists,
          (SELECT count(*) FROM stored WHERE is_new) AS artists_new,
          (SELECT count(*) FROM stored) AS artists_written;

-- name: landed
-- Where a range stands, after a lost acknowledgement or a refusal. FOR UPDATE waits for a commit in flight: without it
-- the answer would be "not landed" a moment before the commit lands
-- (test_landed_waits_for_a_commit_in_flight_and_then_says_true).
--
-- ARGS    range_id, owner, fence
-- RESULT  one row (cursor: jsonb, or null when done) when the range still has this owner and fence, else none
-- TIME    none
SELECT cursor FROM crawl_range WHERE id = %(range_id)s AND owner = %(owner)s AND fence = %(fence)s FOR UPDATE;
