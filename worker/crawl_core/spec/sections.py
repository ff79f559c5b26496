"""The sections of a CrawlJob's spec that say what to crawl and how fast.

Their docstrings become the CRD's descriptions. Field rules only; what relates two fields stands in `checks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from crawl_core.durations import Duration
from crawl_core.keyspace import Keyspace
from crawl_core.spec.fields import (
    Alphabet,
    BaseUrl,
    Between,
    BucketName,
    Dataset,
    DnsSubdomain,
    Market,
    Maybe,
    QueryTemplate,
    SearchString,
    Section,
    Url,
)


class SecretRef(Section):
    """A Secret in the CrawlJob's namespace."""

    name: DnsSubdomain
    """The Secret's name."""


class KeyspaceSpec(Section):
    """Which strings are searched."""

    alphabet: Alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
    """The characters of the strings: a sorted subset of 0-9a-z."""

    min_length: Annotated[int, Field(ge=1, le=8)] = 4
    """Characters of the shortest strings. All strings of this length are searched."""

    max_length: Annotated[int, Field(ge=1, le=8)] = 4
    """Characters of the longest strings. Those longer than minLength are searched where a shorter one was truncated."""

    first: Maybe[SearchString] = None
    """The first string, included; by default the alphabet's first. Only where minLength = maxLength."""

    last: Maybe[SearchString] = None
    """The last string, included; by default the alphabet's last. Only where minLength = maxLength."""

    # 36^8 strings in 100,000 ranges need 28,211,099 a range.
    range_size: Maybe[Annotated[int, Field(ge=1, le=30_000_000)]] = None
    """Strings a range, the unit of work that a worker leases; by default the strings / 256 within 36 to 1296."""

    def to_keyspace(self) -> Keyspace:
        """The keyspace, for counting and cutting."""
        return Keyspace(
            alphabet=self.alphabet,
            min_length=self.min_length,
            max_length=self.max_length,
            first=self.first or "",
            last=self.last or "",
            range_size=self.range_size or 0,
        )


class SpotifyMember(Section):
    """What only the Spotify Web API has."""

    market: Maybe[Market] = None
    """The country whose catalogue is searched, as two capital letters."""

    terms_accepted: Maybe[bool] = None
    """Says that the user may crawl Spotify under its terms. Must be true."""


class Source(Section):
    """What is searched. What one type alone has stands in a member of its name."""

    type: Literal["Sandbox", "Spotify"] = "Sandbox"
    """Sandbox is the local stand-in for the Spotify Web API; Spotify is the real one, by explicit opt-in."""

    dataset: Maybe[Dataset] = None
    """A name for what the source has. By default sandbox, wherever that is; or spotify, or another API's host."""

    base_url: Maybe[BaseUrl] = Field(default=None, alias="baseURL")
    """The API's address, without /v1. By default the source's own; a local run starts a sandbox when it is absent."""

    token_url: Maybe[Url] = Field(default=None, alias="tokenURL")
    """The whole address that hands out access tokens; by default the source's own."""

    query_template: QueryTemplate = "{}"
    """The query; {} is the string. For instance artist:"{}" searches in names only."""

    page_size: Annotated[int, Field(ge=1, le=50)] = 50
    """Items a page: 50 with extended quota; apps in development mode get 10, and the worker falls back to it."""

    request_timeout: Annotated[Duration, Between("1s", "120s")] = Duration.parse("10s")
    """For the whole request: pool wait, connect, send, answer. A lost request occupies its slot so long."""

    proxy: Maybe[Literal["None", "FromEnvironment"]] = None
    """FromEnvironment: requests go through the proxy in the workers' HTTPS_PROXY or HTTP_PROXY, but for NO_PROXY."""

    credentials_secret_ref: Maybe[SecretRef] = None
    """The Secret with the keys client-id and client-secret. Needed for Spotify."""

    spotify: Maybe[SpotifyMember] = None
    """What only type Spotify has."""

    market: Maybe[Market] = None
    """Deprecated: write spotify.market."""

    terms_accepted: Maybe[bool] = None
    """Deprecated: write spotify.termsAccepted."""

    @property
    def market_in_force(self) -> str | None:
        """The market, wherever it is written."""
        return self.market if self.spotify is None or self.spotify.market is None else self.spotify.market

    @property
    def terms_are_accepted(self) -> bool:
        """Whether the user says so, wherever it is written."""
        stated = None if self.spotify is None else self.spotify.terms_accepted
        return bool(self.terms_accepted if stated is None else stated)

    @property
    def dataset_in_force(self) -> str:
        """The name of what the source has: as it is written, else by type and address."""
        return self.dataset or default_dataset(self.type, self.base_url)


DEPRECATED: Mapping[str, str] = {
    "source.market": "source.spotify.market",
    "source.termsAccepted": "source.spotify.termsAccepted",
}
"""Fields that are read, and where else they are written now."""

SPOTIFY_HOST = "api.spotify.com"
_PORTS = {"http": 80, "https": 443}


def default_dataset(source_type: str, base_url: str | None) -> str:
    """The dataset of a source that names none: sandbox, spotify, or host[:port] of an address that is not Spotify's.

    Every sandbox is the same one: its address is another at each local run, and may change in a cluster.
    """
    if source_type != "Spotify":
        return source_type.lower()
    if base_url is None or is_spotifys(base_url):
        return "spotify"
    address = urlsplit(base_url)
    return address.netloc.lower().removesuffix(f":{_PORTS[address.scheme]}")


def is_spotifys(base_url: str) -> bool:
    """Whether an address is the Spotify Web API's own."""
    return urlsplit(base_url).hostname == SPOTIFY_HOST


class RateLimit(Section):
    """How fast: in any window at most that many requests arrive, over all workers and jobs of the bucket."""

    requests: Annotated[int, Field(ge=1, le=100_000)] = 10
    """Requests that may arrive in any window. Each is a slot in Redis, which bounds it."""

    window: Annotated[Duration, Between("1s", "24h")] = Duration.parse("30s")
    """The length of the rolling window."""

    bucket: Literal["Credential", "Node", "Job"] = "Credential"
    """What the source counts: requests of one credential, one node's address, or this job. Node not for Spotify."""

    spacing: Literal["Even", "Burst"] = "Even"
    """Even keeps requests apart; Burst sends as many at once as the window allows."""

    bucket_name: Maybe[BucketName] = None
    """Overrides the bucket's derived name, for jobs that share an account but not a credential."""


class Retry(Section):
    """What becomes of failed requests. A 429 and an outage of the source are no failures of a string."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 8
    """Attempts at one string until it becomes a dead letter, which can be replayed."""

    initial_backoff: Annotated[Duration, Between("100ms", "1h")] = Duration.parse("1s")
    """The wait after the first failure. It doubles from there, with jitter."""

    max_backoff: Annotated[Duration, Between("100ms", "1h")] = Duration.parse("5m")
    """The longest wait between two attempts."""
