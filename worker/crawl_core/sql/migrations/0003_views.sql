-- 0003: what people query. Columns may be added, never taken away.

CREATE VIEW artists AS
SELECT id, name, popularity, followers, genres, images, first_query, first_seen, last_seen FROM artist;

CREATE VIEW progress AS
SELECT j.namespace, j.name, j.total AS strings, coalesce(r.covered, 0) AS covered,
       round(100.0 * coalesce(r.covered, 0) / j.total, 2) AS percent,
       r.open_ranges, r.done_ranges, r.searches, r.requests, r.artists, r.artists_new, r.truncated,
       (SELECT count(*) FROM dead_letter d WHERE d.job_id = j.id) AS dead_letters,
       r.retries, r.rate_limited, r.changed_at, j.started_at, j.finished_at, j.id AS job_id
FROM crawl_job j, LATERAL (
    SELECT sum(covered)::bigint AS covered,
           count(*) FILTER (WHERE state = 'open') AS open_ranges, count(*) FILTER (WHERE state = 'done') AS done_ranges,
           sum(searches) AS searches, sum(requests) AS requests, sum(artists) AS artists,
           sum(artists_new) AS artists_new, sum(truncated) AS truncated, sum(retries) AS retries,
           sum(rate_limited) AS rate_limited, max(changed_at) AS changed_at
    FROM crawl_range WHERE job_id = j.id
) r
WHERE j.deleted_at IS NULL;

CREATE VIEW searches AS
SELECT j.namespace, j.name, s.string, s.pages, s.total, s.results, s.truncated, s.new_artists, s.finished_at, s.job_id
FROM search s JOIN crawl_job j ON j.id = s.job_id
WHERE j.deleted_at IS NULL;

CREATE VIEW requests AS
SELECT j.namespace, j.name, q.at, q.string, q.page_offset, q.page_size, q.status, q.outcome, q.duration_s, q.worker,
       b.job_id
FROM request_bin b JOIN crawl_job j ON j.id = b.job_id JOIN api_request q ON q.bin = b.id
WHERE j.deleted_at IS NULL AND q.at > now() - make_interval(secs => j.retention_s);
