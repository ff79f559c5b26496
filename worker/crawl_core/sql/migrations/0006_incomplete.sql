-- 0006: strings that ended with fewer results than their total said. Few, so counting and listing them reads few rows.
CREATE INDEX search_incomplete ON search (job_id, string) WHERE results < total AND NOT truncated;

CREATE VIEW incomplete_searches AS
SELECT j.namespace, j.name, s.string, s.results, s.total, s.pages, s.finished_at, s.job_id
FROM search s JOIN crawl_job j ON j.id = s.job_id
WHERE s.results < s.total AND NOT s.truncated AND j.deleted_at IS NULL;
