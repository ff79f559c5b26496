-- name: open_ids
-- The next ids of the open ranges of a job's current run, to seed the frontier with.
--
-- ARGS    job_id, after (0 at first), max_rows
-- RESULT  rows (id), in order
-- TIME    none
SELECT id FROM crawl_range
WHERE run_id = (SELECT run_id FROM crawl_job WHERE id = %(job_id)s) AND state = 'open' AND id > %(after)s
ORDER BY id LIMIT %(max_rows)s;

-- name: count_open
-- How many ranges of a job's current run are open.
--
-- ARGS    job_id
-- RESULT  one row (count)
-- TIME    none
SELECT count(*) FROM crawl_range
WHERE run_id = (SELECT run_id FROM crawl_job WHERE id = %(job_id)s) AND state = 'open';

-- fragment: range_row
-- The fields of RangeRow.
id, run_id, length, first, last, cursor, fence, state, counts_coverage

-- name: read
-- One range as it stands.
--
-- ARGS    range_id
-- RESULT  one row, the fields of RangeRow, or none
-- TIME    none
SELECT
-- include: range_row
FROM crawl_range WHERE id = %(range_id)s;

-- name: take
-- Own a range: from now on the ledger takes this owner's commits only.
--
-- The fence must be the one that was read before the lease was renewed. A claimer that sleeps past its lease in between
-- finds a higher fence, and does not throw out the rightful owner
-- (test_a_claimer_that_slept_past_its_lease_cannot_throw_out_the_owner).
-- The uid must be the job's: a worker of a CrawlJob that was deleted and applied again would crawl for the old one
-- (test_a_worker_of_a_job_that_was_applied_again_claims_nothing).
--
-- ARGS    range_id, fence, owner, job_uid: of the frontier that the lease came from
-- RESULT  one row, the fields of RangeRow with the new fence, or none: another took it meanwhile, it is done, or the
--         job is deleted, was applied again under another uid, is at its next run, or is closed: see jobs.close
-- TIME    none
UPDATE crawl_range r SET fence = r.fence + 1, owner = %(owner)s
WHERE r.id = %(range_id)s AND r.fence = %(fence)s AND r.state = 'open'
  AND EXISTS (SELECT FROM crawl_job j WHERE j.run_id = r.run_id AND j.uid = %(job_uid)s AND j.deleted_at IS NULL
              AND j.released_at IS NULL)
RETURNING
-- include: range_row
