"""Makes CrawlJobs run in a Kubernetes cluster: observes, plans purely, acts thinly."""
