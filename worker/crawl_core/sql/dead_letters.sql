-- name: list
-- The dead letters of a job's current run, in string order.
--
-- ARGS    job_id
-- RESULT  rows, the fields of DeadLetter
-- TIME    none
SELECT string, reason, attempts, last_error, (extract(epoch FROM at) * 1000000)::bigint AS at_us,
       replay_range IS NOT NULL AS replaying
FROM dead_letter WHERE run_id = (SELECT run_id FROM crawl_job WHERE id = %(job_id)s) ORDER BY string;

-- fragment: reopened
-- The end of a statement whose part `added` has new ranges of a job's current run: the run is unfinished, and to be
-- compared anew; the ranges' ids, in string order. Where the run had ended its limits had stopped to count. So the job is
-- closed until the first claim has brought them back
-- (test_a_replay_of_a_run_that_had_ended_closes_the_job_until_its_limits_count).
), reopened AS (
    UPDATE crawl_run SET finished_at = NULL, replays = replays + 1, compared_with = NULL, added = NULL, gone = NULL
    WHERE id IN (SELECT run_id FROM added)
), closed AS (
    UPDATE crawl_job j SET released_at = 'infinity' FROM crawl_run n
    WHERE j.run_id IN (SELECT run_id FROM added) AND n.id = j.run_id AND n.finished_at IS NOT NULL
)
SELECT id FROM added ORDER BY first

-- name: replay
-- Have dead letters searched again: one range each, which covers nothing, since they are counted as covered already.
-- The run is unfinished from the same instant. A string that is being replayed already is passed over.
--
-- ARGS    job_id, strings: an array of them, or null for all
-- RESULT  rows (id of a new range), in string order; none for a deleted job
-- TIME    none
WITH job AS MATERIALIZED (
    SELECT run_id FROM crawl_job WHERE id = %(job_id)s AND deleted_at IS NULL FOR UPDATE
), letters AS MATERIALIZED (
    SELECT d.run_id, d.string
    FROM dead_letter d JOIN job USING (run_id)
    WHERE d.replay_range IS NULL AND (%(strings)s::text[] IS NULL OR d.string = ANY (%(strings)s::text[]))
    ORDER BY d.string FOR UPDATE OF d
), added AS (
    INSERT INTO crawl_range (run_id, length, first, last, cursor, counts_coverage)
    SELECT run_id, length(string), string, string, jsonb_build_object('string', string), false FROM letters
    RETURNING id, run_id, first
), marked AS (
    UPDATE dead_letter d SET replay_range = a.id FROM added a
    WHERE d.run_id = a.run_id AND d.string = a.first
-- include: reopened

-- name: list_incomplete
-- Strings of a job's current run that ended with fewer results than their total said, in string order.
--
-- ARGS    run_id; {search}: its table
-- RESULT  rows, the fields of IncompleteSearch
-- TIME    none
SELECT s.string, s.results, s.total,
       EXISTS (SELECT FROM crawl_range r WHERE r.run_id = s.run_id AND r.state = 'open' AND NOT r.counts_coverage
                                           AND r.first = s.string AND r.last = s.string) AS replaying
FROM {search} s WHERE s.run_id = %(run_id)s AND s.results < s.total AND NOT s.truncated ORDER BY s.string;

-- name: replay_incomplete
-- Have strings searched again that ended with fewer results than their total said: as `replay`, with their searches
-- for dead letters. A string that is being replayed already, or is a dead letter since, is passed over.
--
-- ARGS    job_id, strings: an array of them, or null for all; {search}: the current run's table
-- RESULT  rows (id of a new range), in string order; none for a deleted job, or one that is at its next run
-- TIME    none
WITH job AS MATERIALIZED (
    SELECT run_id FROM crawl_job WHERE id = %(job_id)s AND deleted_at IS NULL FOR UPDATE
), incomplete AS MATERIALIZED (
    SELECT s.run_id, s.string
    FROM {search} s JOIN job USING (run_id)
    WHERE s.results < s.total AND NOT s.truncated
      AND (%(strings)s::text[] IS NULL OR s.string = ANY (%(strings)s::text[]))
      AND NOT EXISTS (SELECT FROM dead_letter d WHERE d.run_id = s.run_id AND d.string = s.string)
      AND NOT EXISTS (SELECT FROM crawl_range r WHERE r.run_id = s.run_id AND r.state = 'open'
                                                  AND NOT r.counts_coverage AND r.first = s.string AND r.last = s.string)
), added AS (
    INSERT INTO crawl_range (run_id, length, first, last, cursor, counts_coverage)
    SELECT run_id, length(string), string, string, jsonb_build_object('string', string), false FROM incomplete
    RETURNING id, run_id, first
-- include: reopened
