"""The course of a crawl over the board's time."""

from __future__ import annotations

from grafana_foundation_sdk.builders import statetimeline, timeseries

from grafana.boards.colours import ACT, DEEP, GOOD, PLAIN, QUIET, SECOND, THIRD, WATCH
from grafana.boards.crawl_health import BUDGET_USED, STATE
from grafana.boards.panels import Text, graph, rectangle
from grafana.boards.promql import a_minute, gauge, per_s, quantile
from grafana.boards.queries import course, sql
from grafana.boards.sdk import override
from grafana.boards.words import JOB_STATES, coded

NOBODY = "No CrawlJob reported this in the time chosen."
NO_REQUEST = "No request was reported in the time chosen."
SMOOTH = "30s"
"""At 10 requests per 30 s a rate over one minute is of 15 requests, or of 14 or 16, and leaps by 7 %: take two."""


def states() -> statetimeline.Panel:
    """When it crawled, and when it did not."""
    return rectangle(
        Text(
            "State over time",
            "What the CrawlJob's state was. Long Frozen costs budget; Stalled needs a person.",
            NOBODY,
        ),
        course(STATE, "state"),
        mappings=(coded(JOB_STATES),),
    )


def progress() -> timeseries.Panel:
    """The share covered."""
    return graph(
        Text(
            "Progress",
            "The share of the keyspace that is covered. Bad where it is flat while the state is Crawling.",
            NOBODY,
        ),
        course(gauge("artistcrawl_job_progress_ratio"), "covered"),
        unit="percentunit",
        ceiling=1,
        colours={"covered": GOOD},
    )


def artists() -> timeseries.Panel:
    """Artists found."""
    return graph(
        Text(
            "Artists",
            "Distinct artists returned to this CrawlJob, and of them those that the ledger had not. A flat line in "
            "an empty part of the keyspace is no fault.",
            NOBODY,
        ),
        course(gauge("artistcrawl_job_artists"), "returned"),
        course(gauge("artistcrawl_job_artists_new"), "new"),
        unit="locale",
        decimals=0,
        colours={"returned": PLAIN, "new": GOOD},
    )


def end() -> timeseries.Panel:
    """Whether the end comes closer."""
    estimate = gauge("artistcrawl_job_estimated_completion_timestamp_seconds")
    left = f"{estimate} - time()"
    to_deadline = f"{gauge('artistcrawl_job_deadline_timestamp_seconds')} - time()"
    return graph(
        Text(
            "Time left",
            "How long it would go on at the pace of that moment; it should fall as fast as time passes. With a "
            "deadline, the time until then as well: bad where the first lies above it.",
            "No end can be told: nothing goes on, or nobody reports it.",
        ),
        course(left, "left"),
        course(to_deadline, "until the deadline"),
        unit="s",
        decimals=1,
        least=0,
        colours={"left": PLAIN, "until the deadline": QUIET},
    )


def budget() -> timeseries.Panel:
    """Whether the budget was used, and when the API stopped us."""
    until = gauge("artistcrawl_bucket_frozen_until_timestamp_seconds")
    return graph(
        Text(
            "Budget used, and freezes",
            "Requests that arrived at the API, as a share of what the limit allows, by all CrawlJobs on this bucket. "
            "Over two minutes, so that 100 % does not flicker. Bad below 80 % where nothing is frozen. The shaded "
            "time is a pause that the API asked for.",
            NOBODY,
        ),
        course(BUDGET_USED, "used", least_step=SMOOTH),
        course(f"{until} > bool time()", "frozen"),
        unit="percentunit",
        least=0,
        most=1.2,
        steps=((None, "transparent"), (1, QUIET)),
        colours={"used": GOOD},
        overrides=(
            override(
                "frozen",
                {
                    "color": {"mode": "fixed", "fixedColor": WATCH},
                    "custom.lineWidth": 0,
                    "custom.lineInterpolation": "stepAfter",
                    "custom.fillOpacity": 35,
                    "custom.showPoints": "never",
                    "custom.hideFrom": {"legend": False, "tooltip": True, "viz": False},
                },
            ),
        ),
    )


def requests() -> timeseries.Panel:
    """What became of the requests."""
    counter = "artistcrawl_worker_requests_total"
    pages = per_s(counter, 'outcome="ok"', by="outcome")
    failed = per_s(counter, 'outcome!="ok"', by="outcome")
    return graph(
        Text(
            "Requests a minute, by outcome",
            "What became of the requests. ok is a page of results. rate_limited is a 429 and bad: somebody exceeds "
            "the limit. The others are sent again; many of them cost budget.",
            NO_REQUEST,
        ),
        course(f"60 * {pages}", "{{outcome}}"),
        course(f"60 * {failed} > 0", "{{outcome}}"),
        unit="short",
        stacked=True,
        least=0,
        colours={
            "ok": GOOD,
            "rate_limited": ACT,
            "http_5xx": WATCH,
            "not_connected": SECOND,
            "answer_timeout": THIRD,
            "answer_closed": DEEP,
            "invalid_body": QUIET,
        },
    )


def latency() -> timeseries.Panel:
    """How fast the API is."""
    histogram = "artistcrawl_worker_request_duration_seconds"
    return graph(
        Text(
            "Request latency",
            "Time of a request, from the permit's instant to the last byte, at the median, for 95 % and for 99 % of "
            "them. Bad near source.requestTimeout: then answers are cut and sent again.",
            NO_REQUEST,
        ),
        course(quantile(0.5, histogram), "p50"),
        course(quantile(0.95, histogram), "p95"),
        course(quantile(0.99, histogram), "p99"),
        unit="s",
        least=0,
        colours={"p50": GOOD, "p95": PLAIN, "p99": SECOND},
    )


def permit_wait() -> timeseries.Panel:
    """Whether the limit is what binds."""
    histogram = "artistcrawl_worker_permit_wait_seconds"
    return graph(
        Text(
            "Wait for a permit",
            "Time that a task waits until it may send. Long is good: the limit is what binds, not the workers. Near "
            "zero with an unused budget is bad: workers are too few or too slow.",
            "No wait was reported in the time chosen.",
        ),
        course(quantile(0.5, histogram), "p50"),
        course(quantile(0.95, histogram), "p95"),
        unit="s",
        least=0,
        colours={"p50": GOOD, "p95": PLAIN},
    )


def searches() -> timeseries.Panel:
    """What the strings gave."""
    return graph(
        Text(
            "Searches a minute, by result",
            "Strings whose search was committed: found with artists, empty without, truncated with more than can be "
            "paged to. Most strings of an exhaustive crawl are empty; that is no fault.",
            "No search was reported in the time chosen.",
        ),
        course(f"{a_minute('artistcrawl_worker_searches_total', by='result')} > 0", "{{result}}"),
        unit="short",
        stacked=True,
        least=0,
        colours={"found": GOOD, "empty": QUIET, "truncated": WATCH},
    )


def gained() -> timeseries.Panel:
    """What the crawl brings in."""
    return graph(
        Text(
            "Gained an hour",
            "Strings that had results (dots, on the right) and artists new to the ledger, an hour. It differs from "
            "one part of the keyspace to the next, and falls as the artists are known; that is no fault.",
            "The ledger has no string with results of the time chosen.",
        ),
        sql("yield"),
        interval="1m",
        unit="locale",
        decimals=0,
        least=0,
        overrides=(
            override(
                "found_per_hour",
                {
                    "displayName": "strings with results",
                    "color": {"mode": "fixed", "fixedColor": PLAIN},
                    "custom.axisPlacement": "right",
                    "custom.drawStyle": "points",
                    "custom.pointSize": 8,
                },
            ),
            override(
                "new_artists_per_hour",
                {
                    "displayName": "new artists",
                    "color": {"mode": "fixed", "fixedColor": GOOD},
                    "custom.drawStyle": "bars",
                    "custom.lineWidth": 0,
                    "custom.fillOpacity": 85,
                },
            ),
        ),
    )
