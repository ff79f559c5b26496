"""A process's own connections, read from the pools that it has, whoever opened them. No server is asked."""

from __future__ import annotations

from collections.abc import Iterator

from crawl_core.backends.postgres import living_pools
from crawl_core.errors import LedgerUnavailableError, UnavailableError
from crawl_core.metrics import definitions as metrics
from crawl_core.metrics.declared import Reading


def backends_readings() -> Iterator[Reading]:
    """The series of all pools together. May be called from another thread."""
    pools = living_pools()
    yield metrics.LEDGER_CONNECTIONS(sum(pool.lent for pool in pools), "lent")
    yield metrics.LEDGER_CONNECTIONS(sum(pool.idle for pool in pools), "idle")
    yield metrics.LEDGER_CONNECTIONS_LIMIT(sum(pool.limit for pool in pools))
    yield metrics.LEDGER_WAITING(sum(pool.waiting for pool in pools))


def count_given_up(meaning: type[UnavailableError]) -> None:
    """Count a call that its caller gave up waiting for: the driver was cancelled, and has no error to count."""
    (metrics.LEDGER_ERRORS if meaning is LedgerUnavailableError else metrics.REDIS_ERRORS).inc()
