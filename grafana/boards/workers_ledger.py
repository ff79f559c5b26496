"""Ranges on their way between Redis, the workers and the ledger."""

from __future__ import annotations

from grafana_foundation_sdk.builders import timeseries

from grafana.boards.colours import ACT, GOOD, PLAIN, QUIET, SECOND, WATCH
from grafana.boards.panels import Text, graph
from grafana.boards.promql import a_minute, gauge, of, quantile
from grafana.boards.queries import course
from grafana.boards.workers_now import NOBODY


def frontier() -> timeseries.Panel:
    """How long the queues are."""
    return graph(
        Text(
            "Queues",
            "Ranges in Redis: pending ones wait for a worker, leased ones have one, overdue ones have one that is "
            "silent and are taken back. Overdue for long is bad. A gap: Redis is out of reach, or lost the job and "
            "is seeded again.",
            "Nobody reports this CrawlJob's ranges in Redis.",
        ),
        course(gauge("artistcrawl_frontier_ranges", by="state"), "{{state}}"),
        unit="locale",
        decimals=0,
        least=0,
        colours={"pending": PLAIN, "leased": GOOD, "overdue": WATCH},
    )


def leases() -> timeseries.Panel:
    """Whether workers keep their ranges."""
    lost = a_minute("artistcrawl_worker_leases_total", 'event=~"lost|released"', by="event")
    expired = f"60 * max(rate({of('artistcrawl_frontier_expired_total')}[$__rate_interval]))"
    return graph(
        Text(
            "Leases lost and expired",
            "Ranges that workers did not finish: lost to another worker, expired because the worker was silent, "
            "released by one that stops. One a killed or stopped worker is normal; a steady stream is bad, for work "
            "is repeated.",
            "No lease was reported as lost.",
        ),
        course(f"{lost} > 0", "{{event}}"),
        course(f"{expired} > 0", "expired"),
        unit="cpm",
        stacked=True,
        least=0,
        colours={"lost": WATCH, "expired": SECOND, "released": QUIET},
    )


def commits() -> timeseries.Panel:
    """Whether batches reach the ledger."""
    return graph(
        Text(
            "Commits a minute, by result",
            "Batches sent to the ledger. unavailable is bad: PostgreSQL is out of reach, and what is not committed "
            "is kept and sent again. fence_lost: the range is somebody else's by now. refused: for its data; the "
            "culprit is found by halving.",
            "No commit was reported in the time chosen.",
        ),
        course(f"{a_minute('artistcrawl_worker_commits_total', by='result')} > 0", "{{result}}"),
        unit="short",
        stacked=True,
        least=0,
        colours={"committed": GOOD, "refused": SECOND, "fence_lost": WATCH, "unavailable": ACT},
    )


def commit_latency() -> timeseries.Panel:
    """How fast the ledger is."""
    histogram = "artistcrawl_worker_commit_duration_seconds"
    return graph(
        Text(
            "Commit latency",
            "Time of a batch's statement, waiting for a connection included. Above a second for long is bad: the "
            "ledger is too slow for the crawl.",
            "No commit was reported in the time chosen.",
        ),
        course(quantile(0.5, histogram), "p50"),
        course(quantile(0.95, histogram), "p95"),
        unit="s",
        least=0,
        colours={"p50": GOOD, "p95": PLAIN},
    )


def uncommitted() -> timeseries.Panel:
    """What a crash would cost."""
    return graph(
        Text(
            "Oldest row not committed",
            "Age of the oldest row that any worker has not committed. About a second is normal. Above 5 s it sends "
            "nothing until the ledger takes it: bad.",
            NOBODY,
        ),
        course(gauge("artistcrawl_worker_uncommitted_age_seconds"), "oldest"),
        unit="s",
        least=0,
        steps=((None, "transparent"), (5, ACT)),
    )


def connections() -> timeseries.Panel:
    """Whether there are enough connections."""
    return graph(
        Text(
            "Connections to PostgreSQL",
            "Connections of all workers together: lent ones run a statement, idle ones wait. Tasks that wait for one "
            "for long are bad: the ledger is too slow.",
            NOBODY,
        ),
        course(f"sum by (state) ({of('artistcrawl_ledger_connections')})", "{{state}}"),
        course(f"sum({of('artistcrawl_ledger_connections_limit')})", "limit"),
        course(f"sum({of('artistcrawl_ledger_waiting')}) > 0", "tasks that wait"),
        unit="none",
        decimals=0,
        least=0,
        colours={"lent": GOOD, "idle": PLAIN, "limit": QUIET, "tasks that wait": WATCH},
    )


def failures() -> timeseries.Panel:
    """What was out of reach."""
    tokens = a_minute("artistcrawl_worker_token_requests_total", 'result=~"failed|denied"', by="result")
    return graph(
        Text(
            "Out of reach",
            "Calls that failed because PostgreSQL or Redis was out of reach, and requests for an access token that "
            "failed or were denied. Any is bad; denied means that a person must correct the credentials.",
            "No worker reported anything out of reach.",
        ),
        course(f"{a_minute('artistcrawl_ledger_errors_total')} > 0", "PostgreSQL"),
        course(f"{a_minute('artistcrawl_redis_errors_total')} > 0", "Redis"),
        course(f"{tokens} > 0", "token {{result}}"),
        unit="cpm",
        stacked=True,
        least=0,
        colours={"PostgreSQL": WATCH, "Redis": SECOND, "token failed": PLAIN, "token denied": ACT},
    )
