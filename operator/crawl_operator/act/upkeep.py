"""What each ledger in use needs now and then, whatever its CrawlJobs do: its request log stays bounded, the rows of
deleted jobs go, runs that have ended are compared, and a freeze is copied from Redis to the ledger and back.

No ledger is opened for this alone: one that no CrawlJob used for a while is closed, and stays so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from crawl_core.clock import Clock
from crawl_core.errors import ConfigurationError, UnavailableError
from crawl_core.ledger import jobs, requests, runs
from crawl_core.logs import fields
from crawl_core.tasks import cancel
from crawl_operator.connect.backends import Backends
from crawl_operator.connect.buckets import Buckets

log = logging.getLogger(__name__)

EVERY_S = 5.0
REAP_EVERY_S = 60.0
REAP_S = 15.0
"""Seconds that deleting rows may take at a time; the rest waits for the next turn."""
COMPARE_AGAIN_S = 60.0
"""Seconds until a comparison of two runs that failed is tried again."""


class Upkeep:
    """Runs for ever, and acts only while `may_act` says so."""

    def __init__(
        self, backends: Backends, bucket_records: Buckets, *, may_act: Callable[[], bool], clock: Clock
    ) -> None:
        self._backends = backends
        self._buckets = bucket_records
        self._may_act = may_act
        self._clock = clock
        self._reaped_s: dict[str, float] = {}
        self._comparing: dict[str, asyncio.Task[None]] = {}
        self._compare_again_s: dict[str, float] = {}

    async def run(self) -> None:
        """Turn after turn."""
        try:
            while True:
                try:
                    if self._may_act():
                        await self.turn()
                except Exception:
                    # Of one ledger, most likely: the others' freezes and logs must be seen to all the same.
                    log.exception("upkeep failed", extra=fields("upkeep.failed"))
                await self._clock.sleep(EVERY_S)
        finally:
            await cancel(*self._comparing.values())

    async def compared(self) -> None:
        """Wait for the comparisons that go on beside the turns."""
        await asyncio.gather(*self._comparing.values())

    async def turn(self) -> None:
        """Look after each ledger and bucket in use. What is out of reach is left for later: rounds tell about it."""
        for key in self._buckets.due():
            try:
                async with (
                    self._backends.ledger(key.postgres_url, keeps_open=False) as ledger,
                    self._backends.redis(key.redis_url) as redis,
                ):
                    await self._buckets.sync(key, ledger, redis)
            except (UnavailableError, ConfigurationError) as error:
                log.debug("bucket %s waits: %s", key.name, error)
        for url in self._backends.ledger_urls():
            try:
                await self._look_after(url)
            except (UnavailableError, ConfigurationError) as error:
                log.debug("a ledger waits: %s", error)
        await self._backends.close_idle()
        for url in self._backends.ledger_urls():
            self._begin_comparing(url)

    def _begin_comparing(self, url: str) -> None:
        """In a task of its own: two runs of ten million artists take seconds, and freezes must not wait for them."""
        self._comparing = {each: task for each, task in self._comparing.items() if not task.done()}
        if url not in self._comparing and self._clock.monotonic() >= self._compare_again_s.get(url, 0.0):
            self._comparing[url] = asyncio.create_task(self._compare(url), name="comparison of runs")

    async def _compare(self, url: str) -> None:
        """Count what runs that have ended added and lost against the ones before."""
        try:
            async with self._backends.ledger(url, keeps_open=False) as ledger:
                while self._may_act() and await runs.compare(ledger):
                    log.info("a run is compared with the one before", extra=fields("run.compared"))
        except Exception as error:
            log.warning("runs are not compared: %s", error, extra=fields("run.not_compared"))
            self._compare_again_s[url] = self._clock.monotonic() + COMPARE_AGAIN_S

    async def _look_after(self, url: str) -> None:
        async with self._backends.ledger(url, keeps_open=False) as ledger:
            await requests.trim(ledger)
        now_s = self._clock.monotonic()
        if now_s - self._reaped_s.get(url, -REAP_EVERY_S) < REAP_EVERY_S:
            return
        self._reaped_s = {each: at_s for each, at_s in self._reaped_s.items() if now_s - at_s < REAP_EVERY_S}
        if await self._reap(url):
            # More is left than fits into a turn. To go on with it counts as use: else it would be closed over it.
            async with self._backends.ledger(url):
                return
        self._reaped_s[url] = now_s

    async def _reap(self, url: str) -> bool:
        """Delete rows of deleted jobs for a while. Whether some are left."""
        began_s, chunks = self._clock.monotonic(), 0
        async with self._backends.ledger(url, keeps_open=False) as ledger:
            while await jobs.reap(ledger):
                chunks += 1
                if self._clock.monotonic() - began_s > REAP_S or not self._may_act():
                    return True
        if chunks:
            log.info("a deleted job's rows are deleted", extra=fields("ledger.reaped", chunks=chunks))
        return False
