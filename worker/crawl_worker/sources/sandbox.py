"""The sandbox as a source: the Spotify Web API's shapes at an address that somebody must name."""

from __future__ import annotations

from dataclasses import replace

from crawl_core.errors import ConfigurationError
from crawl_worker.sources.credentials import Credentials
from crawl_worker.sources.source import SourceSettings, SourceType
from crawl_worker.sources.spotify import SpotifySource


def make_sandbox(settings: SourceSettings) -> SpotifySource:
    """The source, from its settings. Its token endpoint is at the same address, unless the settings say otherwise."""
    base_url = settings.base_url
    if not base_url:
        raise ConfigurationError(
            "the job's source is the sandbox, and nobody said where it is: give --base-url http://HOST:PORT"
        )
    return SpotifySource(replace(settings, token_url=settings.token_url or f"{base_url}/api/token"))


SANDBOX = SourceType(
    make=make_sandbox,
    # It takes any pair; so a run without credentials is one client to it.
    default_credentials=Credentials("sandbox", "sandbox"),
)
