"""How a crawl is doing, and what happens to a job around its crawling."""
