"""The CustomResourceDefinition of CrawlJobs, generated from their types: `python -m crawl_operator.crd`."""

from crawl_operator.crd.resource import crd, text

__all__ = ["crd", "text"]
