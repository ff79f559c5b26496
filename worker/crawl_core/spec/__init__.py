"""The CrawlJob: its type, its rules, and the door through which files and API objects become one."""

from crawl_core.spec.changes import Change, canonical, change_of, differences, identity, in_words, remedy
from crawl_core.spec.crawljob import API_VERSION, KIND, CrawlJob, Metadata, Spec
from crawl_core.spec.reading import crawljob_of, parse_crawljob, read_crawljob
from crawl_core.spec.sections import KeyspaceSpec, RateLimit, Retry, SecretRef, Source, SpotifyMember
from crawl_core.spec.workers import Resources, Toleration, Workers

__all__ = [
    "API_VERSION",
    "KIND",
    "Change",
    "CrawlJob",
    "KeyspaceSpec",
    "Metadata",
    "RateLimit",
    "Resources",
    "Retry",
    "SecretRef",
    "Source",
    "Spec",
    "SpotifyMember",
    "Toleration",
    "Workers",
    "canonical",
    "change_of",
    "crawljob_of",
    "differences",
    "identity",
    "in_words",
    "parse_crawljob",
    "read_crawljob",
    "remedy",
]
