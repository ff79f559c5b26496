-- 0004: since when a job's problem stands, so that people can tell a fresh one from one long forgotten.
ALTER TABLE crawl_job ADD COLUMN problem_at timestamptz;  -- null: no problem, or noted by a release before this
