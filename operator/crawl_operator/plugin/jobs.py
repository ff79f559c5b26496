"""The CrawlJob that a command is about, by its name. A wrong name is answered with the names that are near."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any

from crawl_core.errors import ArtistcrawlError, ConfigurationError
from crawl_core.wording import duration
from crawl_operator.plugin.follow import Follower, Scope
from crawl_operator.plugin.picture import OPERATOR_PODS
from crawl_operator.plugin.server import NotFoundError, PluginClient, crawljobs_path

_PREFIXES = ("crawljob/", "crawljobs/", "crawl/", "crawljobs.artistcrawl.dev/", "crawljob.artistcrawl.dev/")
_MOST_NAMES = 10


def plain(name: str) -> str:
    """The name alone of what kubectl also takes, and prints: crawljob.artistcrawl.dev/artists."""
    prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), "")
    return name.removeprefix(prefix)


def crawljob(server: PluginClient, name: str) -> Mapping[str, Any]:
    """The CrawlJob of that name. Raises ConfigurationError with near names where there is none."""
    try:
        return server.get(crawljobs_path(server.namespace, name))
    except NotFoundError as error:
        raise ConfigurationError(_no_such(server, name)) from error


def scope_of(server: PluginClient, name: str) -> Scope:
    """What to follow for one CrawlJob."""
    return Scope(crawljobs_path(server.namespace), {"fieldSelector": f"metadata.name={name}"})


def wait_until(
    server: PluginClient, scope: Scope, holds: Callable[[Mapping[str, Any]], bool], *, name: str, timeout_s: float
) -> None:
    """Wait until one of the objects is as it should be. Raises ArtistcrawlError when time is up."""
    ends_s = monotonic() + timeout_s
    trouble = ""
    with Follower(server, scope) as follower:
        while (left_s := ends_s - monotonic()) > 0:
            picture = follower.next(left_s)
            if picture is None:
                break
            trouble = picture.trouble
            if any(holds(item) for item in picture.objects.values()):
                return
            if not picture.objects and not trouble:
                raise ConfigurationError(f"{server.namespace}/{name} was deleted meanwhile")
    why = trouble or f"is the operator running? {OPERATOR_PODS}"
    raise ArtistcrawlError(f"not done within {duration(timeout_s)}, but it stays asked for; {why}")


def _no_such(server: PluginClient, name: str) -> str:
    known: list[str] = []
    # Whoever may read one CrawlJob may not always list them.
    with suppress(ArtistcrawlError):
        known = [item["metadata"]["name"] for item in server.get(crawljobs_path(server.namespace))["items"]]
    message = f"no CrawlJob {name!r} in namespace {server.namespace}"
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"{message}, did you mean {near[0]!r}?"
    if known:
        more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
        return f"{message}; it has: {', '.join(sorted(known)[:_MOST_NAMES])}{more}"
    return f"{message}; kubectl crawl status -A shows those of all namespaces"
