"""Watches of CrawlJobs and Deployments, and which namespaces can be watched."""
