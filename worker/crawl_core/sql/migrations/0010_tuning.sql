-- 0010: what it takes that a source's timeout and addresses may change while a job is crawled.

-- The longest request timeout that was ever in force. A bucket whose memory is lost waits for permits of that.
ALTER TABLE bucket ADD COLUMN longest_timeout_s double precision;
UPDATE bucket b SET longest_timeout_s = greatest(b.limit_timeout_s, (
    SELECT max(limit_timeout_s) FROM crawl_job
    WHERE bucket = b.name OR (bucket_scope = 'Node' AND b.name LIKE 'node:%')));
ALTER TABLE bucket ALTER COLUMN longest_timeout_s SET NOT NULL;

-- Type Spotify at another address got its tokens from Spotify. From now on the spec must say so, and these say it.
UPDATE crawl_job SET spec = jsonb_set(spec, '{source,tokenURL}', '"https://accounts.spotify.com/api/token"')
WHERE spec #>> '{source,type}' = 'Spotify' AND spec #>> '{source,tokenURL}' IS NULL
  AND spec #>> '{source,baseURL}' !~* '^https?://api[.]spotify[.]com([:/]|$)';
