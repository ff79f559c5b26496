"""Search APIs: what the crawl needs of one, and each that there is."""
