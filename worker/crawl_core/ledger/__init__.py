"""The ledger: PostgreSQL's record of jobs, ranges, searches, artists and buckets. The only truth."""
