"""The frontier: one job's pending ranges and leases, in Redis."""
