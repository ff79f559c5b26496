"""The local run: one CrawlJob crawled on this machine, by the same parts that Kubernetes runs."""
