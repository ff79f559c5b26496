"""Which of the namespaces that were named can be served now: one that is gone must not end the service of the others.

Watches are made for those only. It refuses to add or drop one in a running process: that starts anew, which takes
seconds in which the workers go on.
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
class Served:
    """What one look has found."""

    namespaces: tuple[str, ...]
    """Empty: all of the cluster, which is only ever so where none was named."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """The others, each with why."""


Probe = Callable[[str], Awaitable[None]]
"""Asks whether a namespace's objects ("": those of all) can be listed. Raises RefusedError where not."""


async def look(probe: Probe, named: Sequence[str]) -> Served:
    """Ask for each. Raises RefusedError where none of them can be served."""
    if not named:
        await probe("")
        return Served(())
    refused: dict[str, RefusedError] = {}
    for namespace in named:
        try:
            await probe(namespace)
        except RefusedError as error:
            refused[namespace] = error
    if len(refused) == len(named):
        raise refused[named[0]]
    there = tuple(namespace for namespace in named if namespace not in refused)
    return Served(there, {namespace: str(error) for namespace, error in refused.items()})


async def stay(served: Served, probe: Probe, *, clock: Clock) -> None:
    """Look for ever. Raises NamespacesChangedError when what can be served has changed."""
    named = (*served.namespaces, *served.refused)
    before = served
    while True:
        await clock.sleep(INTERVAL_S)
        try:
            now = await look(probe, named)
        except (RefusedError, UnavailableError):
            # Nothing would be won by a new start.
            now = served
        if set(now.namespaces) == set(before.namespaces) != set(served.namespaces):
            raise NamespacesChangedError(_change(served, now))
        before = now


def _change(served: Served, now: Served) -> str:
    lost = [f"{now.refused[each]} (is namespace {each} gone?)" for each in served.namespaces if each in now.refused]
    back = [f"namespace {each} can be served again" for each in now.namespaces if each in served.refused]
    return "; ".join([*lost, *back, "the operator starts anew"])
