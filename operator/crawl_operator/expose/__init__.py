"""What the operator shows of itself and of its CrawlJobs: probes and metrics."""
