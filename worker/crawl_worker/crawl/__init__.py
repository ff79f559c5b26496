"""Crawling: ranges claimed, paged through, committed."""
