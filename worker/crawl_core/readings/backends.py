"""What a process knows of its own connections: read from the pools that it has, whoever opened them.

It refuses to ask a server anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from crawl_core.backends.postgres import living_pools
from crawl_core.errors import LedgerUnavailableError, UnavailableError
from crawl_core.metrics import definitions as metrics
from crawl_core.metrics.declared import Reading


def backends_readings() -> Iterator[Reading]:
    """Of all pools together. May be asked from another thread."""
    pools = living_pools()
    yield metrics.LEDGER_CONNECTIONS(sum(pool.lent for pool in pools), "lent")
    yield metrics.LEDGER_CONNECTIONS(sum(pool.idle for pool in pools), "idle")
    yield metrics.LEDGER_CONNECTIONS_LIMIT(sum(pool.limit for pool in pools))
    yield metrics.LEDGER_WAITING(sum(pool.waiting for pool in pools))


def count_given_up(meaning: type[UnavailableError]) -> None:
    """Count a call that its caller waited for no longer: the driver, which was cancelled, has no error to count."""
    (metrics.LEDGER_ERRORS if meaning is LedgerUnavailableError else metrics.REDIS_ERRORS).inc()
