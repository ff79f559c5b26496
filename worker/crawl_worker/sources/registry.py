"""Every source there is, by the CrawlJob's `source.type`.

A type that is not here is an error, loudly: taken for another one it would send its client id and secret to an address
of somebody else (test_an_unknown_type_is_refused_and_its_credentials_go_nowhere).
"""

from __future__ import annotations

from crawl_core.errors import ConfigurationError
from crawl_worker.sources.sandbox import SANDBOX
from crawl_worker.sources.source import SourceType
from crawl_worker.sources.spotify import SPOTIFY

SOURCES: dict[str, SourceType] = {
    "Sandbox": SANDBOX,
    "Spotify": SPOTIFY,
}
"""The values of `Source.type` in crawl_core/spec/sections.py, each with what makes it."""


def source_type(name: str) -> SourceType:
    """How sources of this type are made. Raises ConfigurationError for a type that this release does not know."""
    known = SOURCES.get(name)
    if known is None:
        raise ConfigurationError(
            f"source.type {name!r} is none that this worker knows ({', '.join(SOURCES)}): "
            "run workers and operator of one release, or write one of these"
        )
    return known
