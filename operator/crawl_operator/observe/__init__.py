"""Reads all that matters for a CrawlJob into one Observation."""
