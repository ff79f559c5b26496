"""When a CrawlJob is looked at, and the one path of a round: observe, decide, act."""
