-- name: lock_by_name
-- The living job of a name, locked for the rest of the transaction.
--
-- ARGS    namespace, name
-- RESULT  one row (id, identity) or none
-- TIME    none
SELECT id, identity FROM crawl_job
WHERE namespace = %(namespace)s AND name = %(name)s AND deleted_at IS NULL FOR UPDATE;

-- name: insert
-- A new job, without a run yet: in a transaction with that only.
--
-- ARGS    as the columns
-- RESULT  one row (id), or none: another transaction has just recorded the name
-- TIME    now()
INSERT INTO crawl_job (namespace, name, uid, spec, identity, source_id, bucket, bucket_scope,
                       limit_requests, limit_window_s, limit_timeout_s, limit_even, retention_s)
VALUES (%(namespace)s, %(name)s, %(uid)s, %(spec)s::jsonb, %(identity)s::jsonb,
        source_row(%(source_type)s, %(dataset)s, %(market)s), %(bucket)s, %(bucket_scope)s, %(limit_requests)s,
        %(limit_window_s)s, %(limit_timeout_s)s, %(limit_even)s, %(retention_s)s)
ON CONFLICT (namespace, name) WHERE deleted_at IS NULL DO NOTHING
RETURNING id;

-- name: lock_ended
-- A living job whose current run has ended, locked for the rest of the transaction.
--
-- ARGS    job_id
-- RESULT  one row (number: the current run's, spec), or none
-- TIME    none
SELECT n.number, j.spec FROM crawl_job j JOIN crawl_run n ON n.id = j.run_id
WHERE j.id = %(job_id)s AND j.deleted_at IS NULL AND n.finished_at IS NOT NULL FOR UPDATE;

-- name: open_run
-- The job's next run, without ranges yet: in a transaction with those only. After the first one the job is closed: its
-- limits stopped to count when the run before had ended, and count again from now on (see close). What workers noted of
-- the run before says nothing of this one.
--
-- ARGS    job_id, number, total: strings of the keyspace
-- RESULT  one row (run_id)
-- TIME    now()
UPDATE crawl_job SET
    run_id = open_run(id, %(number)s, %(total)s),
    released_at = CASE WHEN run_id IS NOT NULL THEN 'infinity'::timestamptz END,
    problem_reason = NULL, problem_message = NULL, problem_at = NULL
WHERE id = %(job_id)s RETURNING run_id;

-- name: copy_ranges
-- All root ranges of a new run; more than 100,000 never come.
--
-- ARGS    COPY rows (run_id, length, first, last, cursor)
-- RESULT  none
-- TIME    none
COPY crawl_range (run_id, length, first, last, cursor) FROM STDIN;

-- name: adopt
-- The job goes on where it was, under a new uid and with a new spec of the same identity. The limits of one that was
-- released count again; the first worker that claims brings them into the bucket, and opens the job.
--
-- ARGS    as the columns
-- RESULT  none
-- TIME    none
UPDATE crawl_job SET
    uid = %(uid)s, spec = %(spec)s::jsonb, identity = %(identity)s::jsonb,
    released_at = CASE WHEN released_at IS NOT NULL THEN 'infinity'::timestamptz END,
    bucket = %(bucket)s, bucket_scope = %(bucket_scope)s,
    limit_requests = %(limit_requests)s, limit_window_s = %(limit_window_s)s, limit_timeout_s = %(limit_timeout_s)s,
    limit_even = %(limit_even)s, retention_s = %(retention_s)s,
    page_size_tried_at = CASE WHEN spec #> '{source,pageSize}' = %(spec)s::jsonb #> '{source,pageSize}'
                              THEN page_size_tried_at END  -- another size is tried at once
WHERE id = %(job_id)s;

-- fragment: job_row
-- The fields of JobRow, of `crawl_job j JOIN crawl_run n`.
j.id, j.namespace, j.name, j.uid, j.spec, j.run_id, j.source_id, n.number AS run, n.total, j.bucket, j.bucket_scope,
j.page_size, j.page_size_tried_at, j.problem_reason, j.problem_message, j.problem_at, n.started_at, n.finished_at,
nullif(j.released_at, 'infinity') AS released_at, j.deleted_at

-- name: get
-- One job, deleted ones too.
--
-- ARGS    job_id
-- RESULT  one row, the fields of JobRow, or none
-- TIME    none
SELECT
-- include: job_row
FROM crawl_job j JOIN crawl_run n ON n.id = j.run_id WHERE j.id = %(job_id)s;

-- name: find
-- The living job of a name.
--
-- ARGS    namespace, name
-- RESULT  one row, the fields of JobRow, or none
-- TIME    none
SELECT
-- include: job_row
FROM crawl_job j JOIN crawl_run n ON n.id = j.run_id
WHERE j.namespace = %(namespace)s AND j.name = %(name)s AND j.deleted_at IS NULL;

-- name: all
-- All living jobs, in the order they were recorded.
--
-- ARGS    none
-- RESULT  rows, the fields of JobRow
-- TIME    none
SELECT
-- include: job_row
FROM crawl_job j JOIN crawl_run n ON n.id = j.run_id WHERE j.deleted_at IS NULL ORDER BY j.id;

-- name: source_detail
-- What is known of a job's source beside its name.
--
-- ARGS    job_id
-- RESULT  one value, an object
-- TIME    none
SELECT s.detail FROM crawl_job j JOIN source s ON s.id = j.source_id WHERE j.id = %(job_id)s;

-- name: note_source
-- Note what is known of a job's source beside its name.
--
-- ARGS    job_id, detail: an object
-- RESULT  none
-- TIME    none
UPDATE source s SET detail = %(detail)s::jsonb
FROM crawl_job j WHERE j.id = %(job_id)s AND s.id = j.source_id AND s.detail <> %(detail)s::jsonb;

-- name: note_page_size
-- Note the page size that the API turned out to allow; null: the one that the job asks for.
--
-- ARGS    job_id, page_size
-- RESULT  none
-- TIME    now()
UPDATE crawl_job SET page_size = %(page_size)s::integer, page_size_tried_at = now()
WHERE id = %(job_id)s AND page_size IS DISTINCT FROM %(page_size)s::integer;

-- name: claim_page_size_try
-- Be the one who asks for a page that is larger than what the API was found to allow.
--
-- The size must still be the one that is wanted: it would be tried in the place of the one that is wanted now.
--
-- ARGS    job_id, wanted: the size in the job's spec, again_after_s: since the last try
-- RESULT  one row (id), or none: nothing larger is wanted, or it was tried lately
-- TIME    now()
UPDATE crawl_job SET page_size_tried_at = now()
WHERE id = %(job_id)s AND page_size < %(wanted)s AND (spec #>> '{source,pageSize}')::integer = %(wanted)s
  AND (page_size_tried_at IS NULL OR page_size_tried_at <= now() - make_interval(secs => %(again_after_s)s))
RETURNING id;

-- name: note_problem
-- Note a problem that a person must see to, or none (nulls). Its time is when its reason was noted first.
--
-- ARGS    job_id, reason, message, gives_way: whether it is written only where there is none, so that
--         its message stays the same while it stands: each change writes a CrawlJob's status
-- RESULT  none
-- TIME    now()
UPDATE crawl_job SET
    problem_reason = %(reason)s, problem_message = %(message)s,
    problem_at = CASE WHEN %(reason)s::text IS NULL THEN NULL
                      WHEN problem_reason = %(reason)s THEN problem_at
                      ELSE now() END
WHERE id = %(job_id)s AND (problem_reason, problem_message) IS DISTINCT FROM (%(reason)s, %(message)s)
  AND (NOT %(gives_way)s OR problem_reason IS NULL);

-- name: progress
-- All counts of a job's current run, as of one instant.
--
-- ARGS    job_id, kept_rows: requests that the log keeps of a job
-- RESULT  one row, the fields of Progress, or none
-- TIME    now() for the last minutes; the request log's times are the workers'
--
-- Where the log is full and does not reach back a minute, its rate is carried over the minute.
SELECT n.total, r.open_ranges, r.done_ranges, r.last_commit_at,
       coalesce(r.covered, 0)::bigint AS covered, coalesce(r.searches, 0)::bigint AS searches,
       coalesce(r.requests, 0)::bigint AS requests, coalesce(r.artists, 0)::bigint AS artists,
       coalesce(r.artists_new, 0)::bigint AS artists_new, coalesce(r.truncated, 0)::bigint AS truncated,
       coalesce(r.retries, 0)::bigint AS retries, coalesce(r.rate_limited, 0)::bigint AS rate_limited,
       coalesce(r.incomplete, 0)::bigint AS incomplete,
       (SELECT count(*) FROM dead_letter WHERE run_id = n.id) AS dead_letters,
       round(CASE WHEN l.requests < %(kept_rows)s THEN l.requests
                  ELSE l.requests * 60 / greatest(extract(epoch FROM clock_timestamp() - l.oldest), 1) END)::bigint
           AS requests_last_minute,
       l.latency_s
FROM crawl_job j JOIN crawl_run n ON n.id = j.run_id, LATERAL (
    SELECT sum(covered) AS covered, count(*) FILTER (WHERE state = 'open') AS open_ranges,
           count(*) FILTER (WHERE state = 'done') AS done_ranges, sum(searches) AS searches,
           sum(requests) AS requests, sum(artists) AS artists, sum(artists_new) AS artists_new,
           sum(truncated) AS truncated, sum(incomplete) AS incomplete, sum(retries) AS retries,
           sum(rate_limited) AS rate_limited, max(changed_at) AS last_commit_at
    FROM crawl_range WHERE run_id = n.id
) r, LATERAL (
    SELECT count(*) FILTER (WHERE at > now() - interval '1 minute') AS requests,
           min(at) FILTER (WHERE at > now() - interval '1 minute') AS oldest,
           avg(duration_s) AS latency_s
    FROM api_request WHERE job_id = j.id AND at > now() - interval '5 minutes'
) l
WHERE j.id = %(job_id)s;

-- name: finish
-- Declare a job's current run finished if it is, and keep its counts. May be called at any time, any number of times.
--
-- ARGS    job_id
-- RESULT  one row (run_id) when this call finished it, none when it is not finished, or was
-- TIME    now()
--
-- No open range alone is not the end: ranges that were lost with a restore would count as done
-- (test_a_job_whose_ranges_are_done_but_do_not_cover_the_keyspace_is_not_finished).
-- `replays` guards against a replay that commits while this statement waits for the run's row. The row is then read
-- again, but the ranges are still those of the statement's snapshot
-- (test_finishing_while_a_replay_commits_does_not_close_the_reopened_job).
UPDATE crawl_run n SET
    finished_at = now(), covered = r.covered, searches = r.searches, requests = r.requests, artists = r.artists,
    artists_new = r.artists_new, truncated = r.truncated, incomplete = r.incomplete, retries = r.retries,
    rate_limited = r.rate_limited, dead_letters = r.dead_letters
FROM crawl_job j JOIN crawl_run before ON before.id = j.run_id, LATERAL (
    SELECT coalesce(sum(covered), 0) AS covered, sum(searches) AS searches, sum(requests) AS requests,
           sum(artists) AS artists, sum(artists_new) AS artists_new, sum(truncated) AS truncated,
           sum(incomplete) AS incomplete, sum(retries) AS retries, sum(rate_limited) AS rate_limited,
           count(*) FILTER (WHERE state = 'open') AS open_ranges,
           (SELECT count(*) FROM dead_letter WHERE run_id = j.run_id) AS dead_letters
    FROM crawl_range WHERE run_id = j.run_id
) r
WHERE j.id = %(job_id)s AND n.id = j.run_id AND n.finished_at IS NULL AND j.deleted_at IS NULL
  AND n.replays = before.replays AND r.open_ranges = 0 AND n.total = r.covered
RETURNING n.id;

-- name: close
-- Let no range of the job be claimed any more, until a worker lets its limits count again. They still count.
--
-- ARGS    job_id
-- RESULT  none
-- TIME    none
UPDATE crawl_job SET released_at = 'infinity' WHERE id = %(job_id)s AND deleted_at IS NULL AND released_at IS NULL;

-- name: release
-- A closed job of which nothing is claimed: its limits count until its last request can have arrived.
--
-- ARGS    job_id
-- RESULT  one row (id), or none: a worker let its limits count again
-- TIME    now()
UPDATE crawl_job SET released_at = last_arrival(now(), limit_timeout_s)
WHERE id = %(job_id)s AND deleted_at IS NULL AND released_at = 'infinity'
RETURNING id;

-- name: bind
-- Let the limits of a closed job count again.
--
-- ARGS    uid
-- RESULT  one row (id), or none: it is not closed
-- TIME    none
UPDATE crawl_job SET released_at = 'infinity' WHERE uid = %(uid)s AND deleted_at IS NULL AND released_at IS NOT NULL
RETURNING id;

-- name: reopen
-- Let ranges of the job be claimed again, unless it was released meanwhile.
--
-- ARGS    uid
-- RESULT  none
-- TIME    none
UPDATE crawl_job SET released_at = NULL WHERE uid = %(uid)s AND deleted_at IS NULL AND released_at = 'infinity';

-- name: mark_deleted
-- Free the name. Nothing is seeded or claimed any more; the reaper deletes the rows.
--
-- ARGS    job_id
-- RESULT  none
-- TIME    now()
WITH runs AS (
    UPDATE crawl_run SET deleted_at = now() WHERE job_id = %(job_id)s AND deleted_at IS NULL
)
UPDATE crawl_job SET deleted_at = now() WHERE id = %(job_id)s AND deleted_at IS NULL;
