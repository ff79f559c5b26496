"""Connections that a CrawlJob's Secrets name: ledgers, Redis servers, buckets."""
