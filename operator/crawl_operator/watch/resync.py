"""Whether the watches still bring everything: the store is compared with a list, now and then.

A watch can go deaf without an error, and one that begins anew says nothing of what was deleted meanwhile. A deaf watch
is not mended: the process ends, and starts again with new ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from crawl_core.clock import Clock
from crawl_core.errors import ArtistcrawlError, UnavailableError
from crawl_core.logs import fields
from crawl_operator.values.model import Key
from crawl_operator.watch.store import Entry, Kind, Store

log = logging.getLogger(__name__)

INTERVAL_S = 120.0
"""Seconds between two comparisons."""
GRACE_S = 30.0
"""Seconds that a watch may be behind a list."""
SOON_S = 2.0
"""Seconds that a watch which begins anew has for its list."""
FIRST_S = 0.2
"""Seconds between two comparisons until the watches have brought everything once."""

Lister = Callable[[Kind], Awaitable[Mapping[Key, Mapping[str, Any]]]]
KINDS: tuple[Kind, ...] = ("crawljobs", "deployments")

Differences = dict[tuple[Kind, Key], Entry | None]
"""What the list has in another version than the store, with what the store has."""


_CAUGHT_UP = object()


class WatchDeafError(ArtistcrawlError):
    """A watch did not bring what the API server has had for a while."""


class Resync:
    """Compares for ever; `complete` tells whether the watches had brought everything once."""

    def __init__(self, store: Store, lister: Lister, *, clock: Clock) -> None:
        self._store = store
        self._lister = lister
        self._clock = clock
        self._triggered = asyncio.Event()
        self.complete = asyncio.Event()

    def trigger(self) -> None:
        """Compare before long: a watch has begun anew."""
        self._triggered.set()

    async def run(self) -> None:
        """Compare. Raises WatchDeafError when a watch is deaf."""
        while True:
            try:
                await self._compare()
            except UnavailableError as error:
                log.warning("the cluster is out of reach", extra=fields("cluster.unavailable", error=str(error)))
            await (self._rest() if self.complete.is_set() else self._clock.sleep(FIRST_S))

    async def _compare(self) -> None:
        differences = await self.differences()
        if differences and self.complete.is_set():
            await self._clock.sleep(GRACE_S)
            still_different = await self.differences()
            # What moved meanwhile is alive, if late.
            deaf = [where for where, entry in differences.items() if still_different.get(where, _CAUGHT_UP) is entry]
            if deaf:
                kind, key = deaf[0]
                raise WatchDeafError(f"the watch of {kind} brought no news of {key} ({len(deaf)} such) for {GRACE_S} s")
        # At first only what is missing counts: with many active CrawlJobs some version is always newer in the list.
        elif None not in differences.values() and not self.complete.is_set():
            self.complete.set()
            log.info(
                "watching", extra=fields("watches.complete", crawljobs=len(list(self._store.entries("crawljobs"))))
            )

    async def differences(self) -> Differences:
        """What the store lacks, or has in another version; what is gone is removed from it on the way."""
        differences: Differences = {}
        for kind in KINDS:
            before = dict(self._store.entries(kind))
            listed = await self._lister(kind)
            now = dict(self._store.entries(kind))
            for key, entry in before.items():
                if key not in listed and now.get(key) is entry:
                    log.info("a deletion went by unseen", extra=fields("watch.missed", kind=kind, name=str(key)))
                    self._store.remove(kind, entry.raw)
            for key, metadata in listed.items():
                if (entry_now := now.get(key)) is None or entry_now.version != metadata["resourceVersion"]:
                    differences[kind, key] = entry_now
        return differences

    async def _rest(self) -> None:
        self._triggered.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(INTERVAL_S):
                await self._triggered.wait()
                await self._clock.sleep(SOON_S)
