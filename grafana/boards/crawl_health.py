"""The health of a crawl, a number each, as it is at the end of the board's time."""

from __future__ import annotations

from grafana_foundation_sdk.builders import bargauge, stat

from grafana.boards.colours import ACT, GOOD, QUIET, WATCH
from grafana.boards.panels import Text, bars, number
from grafana.boards.promql import JOB, gauge, of
from grafana.boards.queries import now
from grafana.boards.sdk import coloured, override
from grafana.boards.words import JOB_STATES, code, coded, mapped

UNKNOWN = "not known"
STATE = code(f"artistcrawl_job_state{{{JOB}", JOB_STATES, by="namespace, crawljob")

_REQUESTS = gauge("artistcrawl_bucket_limit_requests", by="bucket")
_WINDOW = gauge("artistcrawl_bucket_window_seconds", by="bucket")
_ARRIVALS_PER_S = (
    "sum by (bucket) (sum by (namespace, crawljob) (rate(artistcrawl_limiter_arrivals_total[$__rate_interval])) * on "
    "(namespace, crawljob) group_left (bucket) group by (namespace, crawljob, bucket) "
    "(artistcrawl_bucket_limit_requests))"
)
BUDGET_USED = f"{_ARRIVALS_PER_S} / on (bucket) ({_REQUESTS} / {_WINDOW})"
"""The share of the limit that arrives at the API, of all CrawlJobs that share the bucket; theirs is the limit, too."""


def state() -> stat.Panel:
    """The first thing to see."""
    return number(
        Text(
            "State",
            "The CrawlJob's state, as kubectl shows it. Stalled is bad: a person must act, and the alert or the "
            "condition says how. Frozen mends itself when the API's pause ends. Nobody reports it where no operator "
            "leads, or where the local run is over.",
            "nobody reports it",
        ),
        now(STATE, "state"),
        unit="none",
        mappings=(coded(JOB_STATES),),
        steps=((None, QUIET),),
        filled=True,
    )


def progressing() -> stat.Panel:
    """Why, in the reason's own word: a backend out of reach leaves the state as it was."""
    condition = "artistcrawl_job_condition"
    resting = '"Suspended|DeadlinePassed|Frozen|Completed"'
    goes_on = of(condition, 'type="Progressing", status="True"')
    rests = of(condition, f'type="Progressing", status!="True", reason=~{resting}')
    does_not = of(condition, f'type="Progressing", status!="True", reason!~{resting}')
    return number(
        Text(
            "Progressing",
            "The CrawlJob's condition Progressing, and its reason. no is bad where it lasts for minutes: Redis, the "
            "ledger or the workers are out of reach, or a person must act. LimitBinds is the best there is.",
            "nobody reports it",
        ),
        now(f"max by (reason) ({goes_on} or 2 * {rests} or 3 * {does_not})", "{{reason}}"),
        unit="none",
        show="value_and_name",
        mappings=(mapped({"1": ("yes", GOOD), "2": ("rests", QUIET), "3": ("no", WATCH)}),),
        steps=((None, QUIET),),
        filled=True,
    )


def progress() -> bargauge.Panel:
    """How far it is."""
    return bars(
        Text(
            "Progress",
            "The share of the keyspace that is covered. It only stands still while the state is Suspended, Frozen or "
            "Stalled; with refinement it slows down where strings are dense.",
            UNKNOWN,
        ),
        now(gauge("artistcrawl_job_progress_ratio"), "covered"),
        unit="percentunit",
        decimals=2,
        maximum=1,
        steps=((None, GOOD),),
        overrides=(override("covered", {"displayName": " "}),),
    )


def time_left() -> stat.Panel:
    """How long it will go on."""
    left = f"{gauge('artistcrawl_job_estimated_completion_timestamp_seconds')} - time()"
    return number(
        Text(
            "Time left",
            "Days, and hours, minutes and seconds, until every string is covered, if it goes on as it does. Not "
            "known while nothing goes on: Pending, Suspended or Stalled. Bad where it grows from day to day.",
            UNKNOWN,
        ),
        now(f"{left} or 0 * {gauge('artistcrawl_job_completion_timestamp_seconds')}", "left"),
        unit="dtdhms",
        mappings=(mapped({"0": ("done", GOOD)}),),
    )


def end() -> stat.Panel:
    """When it will be done, or was."""
    estimate = gauge("artistcrawl_job_estimated_completion_timestamp_seconds")
    done = gauge("artistcrawl_job_completion_timestamp_seconds")
    deadline = gauge("artistcrawl_job_deadline_timestamp_seconds")
    return number(
        Text(
            "Ends",
            "When every string is covered, if it goes on as it does; when it was, once it is done; and the deadline, "
            "where there is one. Bad where the end lies behind the deadline.",
            UNKNOWN,
        ),
        now(f"1000 * ({done} or {estimate})", "end"),
        now(f"1000 * {deadline}", "deadline"),
        unit="dateTimeAsIsoNoDateIfToday",
        show="value_and_name",
        overrides=coloured({"deadline": QUIET}),
    )


def frozen() -> stat.Panel:
    """Only says something where the API asked to pause."""
    until = gauge("artistcrawl_bucket_frozen_until_timestamp_seconds")
    done = gauge("artistcrawl_job_completion_timestamp_seconds")
    return number(
        Text(
            "Frozen until",
            "Until when the API asked us to pause, by a 429. Nothing is sent until then, and nothing needs to be "
            "done. Bad where it comes again and again: then the limit is set too high, or somebody else uses the "
            "same credentials.",
            UNKNOWN,
        ),
        now(f"1000 * {until} * ({until} > bool time()) or 0 * {done}", "until"),
        unit="dateTimeAsIsoNoDateIfToday",
        mappings=(mapped({"0": ("not frozen", QUIET)}),),
        steps=((None, WATCH),),
    )


def rate() -> stat.Panel:
    """How fast it goes, against how fast it may."""
    limit = "60 * max(" + f"{of('artistcrawl_bucket_limit_requests')} / {of('artistcrawl_bucket_window_seconds')})"
    return number(
        Text(
            "Requests a minute",
            "Requests that the ledger recorded in the last minute, and how many the limit allows. Well below the "
            "limit is bad while the state is Crawling: the budget is lost for good. Other CrawlJobs on the same "
            "bucket share the limit.",
            UNKNOWN,
        ),
        now(f"60 * {gauge('artistcrawl_job_requests_per_second')}", "now"),
        now(limit, "limit"),
        unit="locale",
        decimals=1,
        show="value_and_name",
        overrides=coloured({"limit": QUIET}),
    )


def budget() -> stat.Panel:
    """Whether the budget is used."""
    at_work = gauge("artistcrawl_job_state", 'state=~"Crawling|Frozen"')
    return number(
        Text(
            "Budget used",
            "Requests that arrive at the API, as a share of what the limit allows, by all CrawlJobs on this bucket. "
            "Over two minutes; near 100 % is good, and 1 % of a full crawl is 14 hours. Below 80 % is bad unless it "
            "is frozen, suspended, done, or the API is slower than the limit.",
            "no request reported",
        ),
        now(f"{BUDGET_USED} and on () {at_work} == 1", "used"),
        unit="percentunit",
        decimals=0,
        steps=((None, WATCH), (0.8, GOOD), (1.2, ACT)),
        interval="2m",
    )


def artists() -> stat.Panel:
    """What it is all for."""
    return number(
        Text(
            "Artists",
            "Distinct artists that the API returned to this CrawlJob, and how many of them the ledger had not.",
            UNKNOWN,
        ),
        now(gauge("artistcrawl_job_artists"), "returned"),
        now(gauge("artistcrawl_job_artists_new"), "new"),
        unit="locale",
        decimals=0,
        show="value_and_name",
    )


def searches() -> stat.Panel:
    """How many strings were searched."""
    return number(
        Text(
            "Searches",
            "Strings searched, and the strings of the keyspace. A string that a truncated one did not need counts as "
            "covered without a search.",
            UNKNOWN,
        ),
        now(gauge("artistcrawl_job_searches"), "done"),
        now(gauge("artistcrawl_job_strings"), "strings"),
        unit="locale",
        decimals=0,
        show="value_and_name",
        overrides=coloured({"strings": QUIET}),
    )


def truncated() -> stat.Panel:
    """What the API hid."""
    return number(
        Text(
            "Truncated",
            "Strings with more results than the API hands out. Artists are missed where their extensions are not "
            "searched: raise maxLength in a new CrawlJob.",
            UNKNOWN,
        ),
        now(gauge("artistcrawl_job_truncated"), "truncated"),
        unit="locale",
        decimals=0,
    )


def dead_letters() -> stat.Panel:
    """What was given up."""
    return number(
        Text(
            "Dead letters",
            "Strings given up after retry.maxAttempts and not replayed. Any is bad: see below why, mend it, and "
            "replay them.",
            UNKNOWN,
        ),
        now(gauge("artistcrawl_job_dead_letters"), "dead letters"),
        unit="locale",
        decimals=0,
        steps=((None, GOOD), (1, ACT)),
    )
