"""The workqueue: one round at a time for each CrawlJob, several CrawlJobs at once.

A round that fails is tried again, later each time, and keeps no other CrawlJob waiting. No round begins while another
operator leads.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from crawl_core.clock import Clock
from crawl_core.errors import ArtistcrawlError
from crawl_core.logs import fields
from crawl_core.metrics.definitions import QUEUE_WAIT, RECONCILE_DURATION, RECONCILES
from crawl_operator.rounds.priority_queue import PriorityQueue
from crawl_operator.values.model import Key

log = logging.getLogger(__name__)

Round = Callable[[Key], Awaitable[float | None]]
"""One look at a CrawlJob. Returns the seconds until the next, 0 for at once, None when nothing changes by itself."""


@dataclass(frozen=True, slots=True)
class WorkqueueSettings:
    """How much the rounds may take."""

    at_once: int = 16
    """Rounds at a time: they mostly wait for servers."""
    timeout_s: float = 30.0
    """Of one round. What it had written by then stands; the next one sees it."""
    timed_per_s: float = 40.0
    """Looks a second that only time caused: 0.3 of a core. With more than 200 active CrawlJobs the time between two
    looks grows; 1,000 are each looked at every 25 s."""
    often_s: float = 60.0
    """Who is looked at no more often than this takes no part of that rate."""
    first_backoff_s: float = 1.0
    last_backoff_s: float = 120.0
    soonest_s: float = 0.1
    """Between two rounds of one CrawlJob where the first changed what is seen: the watch is that slow."""


DEFAULT = WorkqueueSettings()

BEAT_S = 5.0
"""Seconds within which the loop turns, whatever happens: what the liveness probe looks at."""


class Workqueue:
    """Call `add` when something changed; `run` does the rest."""

    def __init__(
        self, one_round: Round, *, may_act: Callable[[], bool], clock: Clock, settings: WorkqueueSettings = DEFAULT
    ) -> None:
        self._one_round = one_round
        self._may_act = may_act
        self._clock = clock
        self._settings = settings
        self._queue = PriorityQueue()
        self._awake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: dict[Key, int] = {}
        self._immediate_rounds: dict[Key, int] = {}
        self._often: set[Key] = set()
        self._acts_since_s: float | None = None
        """None while another operator leads."""
        self._stopping = False
        self._rng = random.Random()
        self.turned_s = clock.monotonic()
        """When the loop turned last."""

    def add(self, key: Key, *, after_s: float = 0.0) -> None:
        """Look at a CrawlJob, since something changed."""
        self._queue.put(key, at_s=self._clock.monotonic() + after_s, triggered=True)
        self._awake.set()

    def add_all(self, keys: Iterable[Key]) -> None:
        """Look at all of them, as one who has just begun to lead."""
        for key in keys:
            self.add(key)

    @property
    def waiting(self) -> int:
        """CrawlJobs that will be looked at again by themselves."""
        return len(self._queue)

    @property
    def in_flight(self) -> int:
        """CrawlJobs that are looked at now."""
        return len(self._tasks)

    def queue(self) -> tuple[int, int]:
        """CrawlJobs that are due, and those that will be; none while another operator leads."""
        return self._queue.lengths(self._clock.monotonic()) if self._may_act() else (0, 0)

    async def run(self) -> None:
        """Run rounds until stopped."""
        while not self._stopping:
            self.turned_s = now_s = self._clock.monotonic()
            # Asked for right before each round, so that who lost the lead begins no other.
            while len(self._tasks) < self._settings.at_once and self._acts(now_s) and (key := self._queue.pop(now_s)):
                self._begin(key)
            await self._rest(now_s)

    def _acts(self, now_s: float) -> bool:
        if not self._may_act():
            self._acts_since_s = None
            return False
        if self._acts_since_s is None:
            self._acts_since_s = now_s
        return True

    def _begin(self, key: Key) -> None:
        # What was due while another operator led was looked at by that one, and waited for nobody here.
        due_s = max(self._queue.running[key], self._acts_since_s or 0.0)
        QUEUE_WAIT.observe(max(0.0, self._clock.monotonic() - due_s))
        task = asyncio.create_task(self._turn(key), name=f"round of {key}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    async def stop(self, timeout_s: float) -> None:
        """Begin no round, and give those at hand this long."""
        self._stopping = True
        self._awake.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _rest(self, now_s: float) -> None:
        """Sleep until a key is due, something changed, or a round is over."""
        next_s = self._queue.next_s()
        idle = next_s is None or len(self._tasks) >= self._settings.at_once or not self._may_act()
        wait_s = BEAT_S if idle or next_s is None else min(BEAT_S, max(0.0, next_s - now_s))
        try:
            async with asyncio.timeout(wait_s):
                await self._awake.wait()
        except TimeoutError:
            pass
        self._awake.clear()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._awake.set()

    async def _turn(self, key: Key) -> None:
        began_s = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                requeue_after_s = await self._one_round(key)
        except Exception as error:
            self._count("timeout" if isinstance(error, TimeoutError) else "error", began_s)
            self._failed(key, error)
        else:
            self._count("success", began_s)
            # With None nothing is left of a key here, so that a CrawlJob that is gone is forgotten.
            self._failures.pop(key, None)
            self._requeue(key, requeue_after_s)
        finally:
            self._queue.finish(key)

    def _count(self, result: str, began_s: float) -> None:
        RECONCILES.labels(result).inc()
        RECONCILE_DURATION.observe(self._clock.monotonic() - began_s)

    def _failed(self, key: Key, error: Exception) -> None:
        count = self._failures[key] = self._failures.get(key, 0) + 1
        delay_s = min(self._settings.first_backoff_s * 2 ** min(count - 1, 20), self._settings.last_backoff_s)
        what = f"not within {self._settings.timeout_s} s" if isinstance(error, TimeoutError) else str(error)
        log.error(
            "a round failed",
            extra=fields("round.failed", crawljob=str(key), failures=count, again_s=delay_s, error=what),
            # Once, since the same trace each time says nothing more; and never where the message says it all.
            exc_info=error if count == 1 and not isinstance(error, ArtistcrawlError) else None,
        )
        self._queue.put(key, at_s=self._clock.monotonic() + delay_s * self._rng.uniform(0.8, 1.2), triggered=False)

    def _requeue(self, key: Key, requeue_after_s: float | None) -> None:
        if requeue_after_s is None or requeue_after_s > self._settings.often_s:
            self._often.discard(key)
        elif requeue_after_s > 0:
            self._often.add(key)
        if requeue_after_s is None:
            self._immediate_rounds.pop(key, None)
            return
        now_s = self._clock.monotonic()
        if requeue_after_s > 0:
            self._immediate_rounds.pop(key, None)
            wait_s = max(requeue_after_s, len(self._often) / self._settings.timed_per_s) * self._rng.uniform(0.95, 1.05)
            self._queue.put(key, at_s=now_s + wait_s, triggered=False)
            return
        # The step shows in the watch in a moment. Where it never does, this must not become a busy loop.
        count = self._immediate_rounds[key] = self._immediate_rounds.get(key, 0) + 1
        self._queue.put(key, at_s=now_s + min(self._settings.soonest_s * 2 ** min(count - 1, 20), 10.0), triggered=True)
