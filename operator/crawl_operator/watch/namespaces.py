"""Which of the named namespaces can be watched now: one that is gone must not end the service of the others.

Watches are made for those only. A running process adds or drops none: it ends and starts anew, which takes seconds in
which the workers go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from crawl_core.clock import Clock
from crawl_core.errors import ArtistcrawlError, UnavailableError
from crawl_operator.watch.access import RefusedError

INTERVAL_S = 5.0
"""Seconds between two looks. A change counts when two looks see it, since an API server that starts refuses a while."""


class NamespacesChangedError(ArtistcrawlError):
    """A namespace that was named is gone, or there again."""


@dataclass(frozen=True, slots=True)
class WatchedNamespaces:
    """What one look has found."""

    namespaces: tuple[str, ...]
    """Empty: all of the cluster, which is only ever so where none was named."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """The others, each with why."""


Probe = Callable[[str], Awaitable[None]]
"""Asks whether a namespace's objects ("": those of all) can be listed. Raises RefusedError where not."""


async def find_watchable(probe: Probe, named: Sequence[str]) -> WatchedNamespaces:
    """Ask for each. Raises RefusedError where none of them can be served."""
    if not named:
        await probe("")
        return WatchedNamespaces(())
    refused: dict[str, RefusedError] = {}
    for namespace in named:
        try:
            await probe(namespace)
        except RefusedError as error:
            refused[namespace] = error
    if len(refused) == len(named):
        raise refused[named[0]]
    watchable = tuple(namespace for namespace in named if namespace not in refused)
    return WatchedNamespaces(watchable, {namespace: str(error) for namespace, error in refused.items()})


async def watch_for_changes(watched: WatchedNamespaces, probe: Probe, *, clock: Clock) -> None:
    """Look for ever. Raises NamespacesChangedError when what can be served has changed."""
    named = (*watched.namespaces, *watched.refused)
    before = watched
    while True:
        await clock.sleep(INTERVAL_S)
        try:
            current = await find_watchable(probe, named)
        except (RefusedError, UnavailableError):
            # Nothing would be won by a new start.
            current = watched
        if set(current.namespaces) == set(before.namespaces) != set(watched.namespaces):
            raise NamespacesChangedError(_change(watched, current))
        before = current


def _change(watched: WatchedNamespaces, current: WatchedNamespaces) -> str:
    lost = [name for name in watched.namespaces if name in current.refused]
    regained = [name for name in current.namespaces if name in watched.refused]
    losses = [f"{current.refused[name]} (is namespace {name} gone?)" for name in lost]
    returns = [f"namespace {name} can be served again" for name in regained]
    return "; ".join([*losses, *returns, "the operator starts anew"])
