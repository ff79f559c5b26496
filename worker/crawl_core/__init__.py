"""What every part shares: the CrawlJob, its keyspace, the ledger, the frontier and the limiter."""
