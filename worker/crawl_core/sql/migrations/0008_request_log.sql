-- 0008: the recent requests in one plain table, trimmed row by row: see `trim` in requests.sql.
--
-- The partitions of 0002, a few for each job, saved one microsecond a request, and cost every look at the log a plan of
-- its own. See docs/growth.md. Dropping them at once takes more locks than a server has by default
-- (64 for each of 100 connections) where there are some 1,800, of 450 jobs with full logs; 4,000 go with 512.

-- Who may read stays who may read, as in 0007: of the view, of the table, or of both.
CREATE TEMP TABLE log_readers ON COMMIT DROP AS
SELECT c.relname AS name, CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END AS reader
FROM pg_class c, aclexplode(c.relacl) acl
WHERE c.oid IN ('api_request'::regclass, 'requests'::regclass)
  AND acl.privilege_type = 'SELECT' AND acl.grantee <> c.relowner;

DROP VIEW requests;
ALTER TABLE api_request RENAME TO api_request_before;

CREATE TABLE api_request (
    at           timestamptz NOT NULL,
    job_id       bigint NOT NULL,
    duration_s   real NOT NULL,
    page_offset  smallint NOT NULL,
    page_size    smallint NOT NULL,
    status       smallint,                            -- null: no answer
    string       text COLLATE "C" NOT NULL,
    outcome      text NOT NULL,
    worker       text NOT NULL
);
INSERT INTO api_request (at, job_id, duration_s, page_offset, page_size, status, string, outcome, worker)
SELECT q.at, b.job_id, q.duration_s, q.page_offset, q.page_size, q.status, q.string, q.outcome, q.worker
FROM api_request_before q JOIN request_bin b ON b.id = q.bin;
CREATE INDEX api_request_job ON api_request (job_id, at);
ANALYZE api_request;

DROP FUNCTION open_request_bin(bigint), drop_request_bin(bigint),
              rotate_request_bins(bigint, integer, double precision),
              newest_requests(bigint, timestamptz, timestamptz, integer),
              requests_by_worker(bigint, timestamptz, timestamptz), retained_since(bigint);
DROP TABLE api_request_before, request_bin;
ALTER TABLE crawl_job DROP COLUMN request_bin;

CREATE VIEW requests AS
SELECT j.namespace, j.name, q.at, q.string, q.page_offset, q.page_size, q.status, q.outcome, q.duration_s, q.worker,
       q.job_id
FROM crawl_job j JOIN api_request q ON q.job_id = j.id AND q.at > now() - make_interval(secs => j.retention_s)
WHERE j.deleted_at IS NULL;

DO $$
DECLARE
    granted record;
BEGIN
    FOR granted IN SELECT name, reader FROM log_readers LOOP
        EXECUTE format('GRANT SELECT ON %I TO %s', granted.name, granted.reader);
    END LOOP;
END $$;
