-- A role for Grafana that reads what the boards show, and can change nothing. Run it as a superuser, or as the user who
-- owns the ledger's tables (that of postgres-url) if it may create roles; and again after an upgrade, which may bring
-- new views. It does no harm to run it again.
--
--     psql "$POSTGRES_URL" -f grafana/readonly.sql
--     psql "$POSTGRES_URL" -c '\password grafana'
--
-- On PostgreSQL 14 everybody may create tables in the schema public, this role too, until you also run, where nothing
-- else needs it: REVOKE CREATE ON SCHEMA public FROM PUBLIC.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana') THEN
        CREATE ROLE grafana LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO grafana', current_database());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO grafana', current_schema());
END $$;

-- The views for people, and the tables under the boards' own queries.
GRANT SELECT ON artists, incomplete_searches, progress, requests, run_artists, runs, searches, sources TO grafana;
GRANT SELECT ON crawl_job, crawl_run, source, crawl_range, search, dead_letter, api_request TO grafana;

-- A second guard against writing, which the role could lift for itself; the missing rights it cannot.
ALTER ROLE grafana SET default_transaction_read_only = on;
-- No query of a board takes a second. One that somebody writes may, but a deleted run's tables are not
-- dropped while they are read, nor are rows cleaned away.
ALTER ROLE grafana SET statement_timeout = '15s';
ALTER ROLE grafana SET idle_in_transaction_session_timeout = '30s';
-- Compiling a query takes longer than any of the boards' runs.
ALTER ROLE grafana SET jit = off;
-- Several people may look at once, and workers and operator must still find a connection.
ALTER ROLE grafana CONNECTION LIMIT 20;
