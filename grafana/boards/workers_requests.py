"""How the workers' requests go, and what the limiter does to them."""

from __future__ import annotations

from grafana_foundation_sdk.builders import heatmap, timeseries

from grafana.boards.colours import ACT, DEEP, PLAIN, QUIET, SECOND, THIRD, WATCH
from grafana.boards.panels import Text, graph, heat
from grafana.boards.promql import a_minute, gauge, in_bucket, per_s
from grafana.boards.queries import buckets, course
from grafana.boards.workers_now import NOBODY

NO_REQUEST = "No request was reported in the time chosen."


def distribution() -> heatmap.Panel:
    """How long requests take."""
    return heat(
        Text(
            "Processing time",
            "How many requests took how long, from the permit's instant to the last byte: the brighter, the more. A "
            "second band high up is bad: answers that are slow, or that end in a timeout.",
            NO_REQUEST,
        ),
        buckets(in_bucket("artistcrawl_worker_request_duration_seconds") + " > 0"),
        unit="s",
    )


def by_worker() -> timeseries.Panel:
    """Who sends how much."""
    return graph(
        Text(
            "Requests a minute, by worker",
            "Requests of each worker. The limit is shared as they ask; uneven shares are no fault. Bad where one "
            "sends nothing for long though it is crawling.",
            NO_REQUEST,
        ),
        course(f"{a_minute('artistcrawl_worker_requests_total', by='worker')}", "{{worker}}"),
        unit="short",
        many=True,
        stacked=True,
        least=0,
    )


def retries() -> timeseries.Panel:
    """What is sent again, and why."""
    return graph(
        Text(
            "Retries a minute, by class",
            "Requests that will be sent again. limit is a 429; server a 5xx; network no connection or no whole "
            "answer; answer a page that is none. Each costs budget, and a string that fails too often becomes a dead "
            "letter.",
            "No worker reported a retry.",
        ),
        course(f"{a_minute('artistcrawl_worker_retries_total', by='class')} > 0", "{{class}}"),
        unit="short",
        stacked=True,
        least=0,
        colours={
            "limit": ACT,
            "credential": ACT,
            "server": WATCH,
            "network": SECOND,
            "answer": THIRD,
            "page_size": QUIET,
            "rejected": DEEP,
        },
    )


def permits_per_call() -> timeseries.Panel:
    """What a permit costs."""
    granted = per_s("artistcrawl_limiter_permits_total", 'event="granted"')
    discarded = per_s("artistcrawl_limiter_permits_total", 'event="discarded"')
    return graph(
        Text(
            "Calls to Redis for a permit",
            "Calls for each permit granted, and the share of permits that were discarded unused. Above 3 calls a "
            "permit there are more workers than the limit can use. Discards are bad: Redis answers too late.",
            "No permit was reported in the time chosen.",
        ),
        course(f"{per_s('artistcrawl_limiter_calls_total')} / ({granted} > 0)", "calls a permit"),
        course(f"{discarded} / ({granted} > 0)", "discarded, of each granted"),
        unit="none",
        decimals=2,
        least=0,
        colours={"calls a permit": PLAIN, "discarded, of each granted": WATCH},
    )


def round_trip() -> timeseries.Panel:
    """Whether Redis is near."""
    return graph(
        Text(
            "Redis round trip",
            "Time of each worker's last call to Redis. Above 0.1 s is worth a look; above 0.25 s is bad: no permit "
            "can be used.",
            NOBODY,
        ),
        course(gauge("artistcrawl_limiter_round_trip_seconds", by="worker"), "{{worker}}"),
        unit="s",
        many=True,
        least=0,
        steps=((None, "transparent"), (0.1, WATCH), (0.25, ACT)),
    )
