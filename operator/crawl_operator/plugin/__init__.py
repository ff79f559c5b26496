"""`kubectl crawl`: CrawlJobs for people, over the Kubernetes API alone. It never enters a pod or a database."""
