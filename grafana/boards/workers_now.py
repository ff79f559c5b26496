"""The workers themselves: what each does, and what it takes of its machine."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries

from grafana.boards.colours import ACT, GOOD, PLAIN, QUIET, WATCH
from grafana.boards.panels import Column, Text, graph, lines, number, rectangle
from grafana.boards.promql import JOB, a_minute, gauge, of, per_s
from grafana.boards.queries import course, now, rows, sql
from grafana.boards.sdk import coloured
from grafana.boards.words import WORKER_STATES, code, coded, in_colour, mapped

NOBODY = "No worker reported this in the time chosen."
STATE = code(f"artistcrawl_worker_state{{{JOB}", WORKER_STATES, by="worker")
_START = "artistcrawl_worker_start_timestamp_seconds"
_RESTARTS = f"sum by (worker) (changes({of(_START)}[$__range])) and on (worker) {of(_START)}"
"""Of those that are there: a pod that is gone would have a line with nothing else."""
_REQUESTS = "artistcrawl_worker_requests_total"
_OK, _NOT_OK = 'outcome="ok"', 'outcome!="ok"'
_SUCCEEDED = "sum{by}(rate({ok}[$__rate_interval])) / (sum{by}(rate({all}[$__rate_interval])) > 0)"


def ready() -> stat.Panel:
    """How many there are of those that there should be."""
    return number(
        Text(
            "Workers",
            "Workers that are up, and how many there should be. Fewer for long is bad. The rate limit decides how "
            "many are of use: more of them change nothing where it binds.",
            "nobody reports it",
        ),
        now(gauge("artistcrawl_job_workers", 'state="ready"'), "ready"),
        now(gauge("artistcrawl_job_workers", 'state="desired"'), "desired"),
        unit="none",
        show="value_and_name",
        overrides=coloured({"desired": QUIET}),
    )


def doing() -> stat.Panel:
    """How many of them do what."""
    return number(
        Text(
            "What they do",
            "Workers by what they do now. blocked (ledger or Redis out of reach) and outage (nobody's requests "
            "succeed) are bad; frozen waits for the API; idle has no range, which is normal near the end.",
            "no worker reports",
        ),
        now(f"sum by (state) ({of('artistcrawl_worker_state')}) > 0", "{{state}}"),
        unit="none",
        decimals=0,
        show="value_and_name",
        overrides=coloured(WORKER_STATES),
    )


def succeeded() -> stat.Panel:
    """Whether requests bring pages."""
    return number(
        Text(
            "Requests that succeed",
            "The share of requests that brought a page. Each other one is sent again and costs budget: below 99 % is "
            "worth a look, below 80 % bad.",
            "no request",
        ),
        now(_SUCCEEDED.format(by=" ", ok=of(_REQUESTS, _OK), all=of(_REQUESTS)), "succeed"),
        unit="percentunit",
        decimals=1,
        steps=((None, ACT), (0.8, WATCH), (0.99, GOOD)),
    )


def in_flight() -> stat.Panel:
    """Whether the places are used."""
    return number(
        Text(
            "In flight",
            "Requests that are under way now, and how many there can be: a request for each range that may be "
            "crawled at once. Near the maximum for long is bad: the workers bind, not the limit.",
            "no worker reports",
        ),
        now(f"sum({of('artistcrawl_worker_requests_in_flight')})", "now"),
        now(f"sum({of('artistcrawl_worker_concurrency')})", "at most"),
        unit="none",
        show="value_and_name",
        overrides=coloured({"at most": QUIET}),
    )


def restarts() -> stat.Panel:
    """Whether they stay up."""
    return number(
        Text(
            "Restarts",
            "How often a worker's process began again in the time chosen, in the same pod or place. Now and then "
            "costs next to nothing; again and again is bad.",
            "no worker reports",
        ),
        now(f"sum(changes({of(_START)}[$__range]))", "restarts"),
        unit="none",
        decimals=0,
        steps=((None, GOOD), (1, WATCH), (10, ACT)),
    )


def reach() -> stat.Panel:
    """Whether Redis answers."""
    words = mapped({"0": ("out of reach", ACT), "1": ("reached", GOOD)})
    return number(
        Text(
            "Redis",
            "Whether the last call of every worker to Redis was answered. Out of reach is bad: no permit is granted, "
            "so that nothing is sent.",
            "no worker reports",
        ),
        now(f"min({of('artistcrawl_limiter_reachable')})", "Redis"),
        unit="none",
        mappings=(words,),
    )


def each() -> table.Panel:
    """A row a worker."""
    succeeded = _SUCCEEDED.format(by=" by (worker) ", ok=of(_REQUESTS, _OK), all=of(_REQUESTS))
    held = f"{of('artistcrawl_worker_range')} > 0"
    position = f"avg by (worker) ({of('artistcrawl_worker_range_position_ratio')} and {held})"
    return lines(
        Text(
            "Workers, one by one",
            "What each worker does. Worth a look: a state other than crawling and idle, a success below 99 %, a "
            "memory that only grows, restarts. Position is how far it is in its ranges, on average.",
            "No worker reports.",
        ),
        rows(f"max by (worker) ({STATE})"),
        rows(gauge("artistcrawl_worker_leases_held", by="worker")),
        rows(f"{a_minute(_REQUESTS, by='worker')}"),
        rows(succeeded),
        rows(f"{a_minute(_REQUESTS, _NOT_OK, by='worker')}"),
        rows(gauge("artistcrawl_worker_requests_in_flight", by="worker")),
        rows(position),
        rows(f"time() - {gauge(_START, by='worker')}"),
        rows(gauge("process_resident_memory_bytes", by="worker")),
        rows(per_s("process_cpu_seconds_total", by="worker")),
        rows(_RESTARTS),
        columns={
            "worker": Column("Worker"),
            "Value #A": Column("State", width=110, mappings=(coded(WORKER_STATES),), filled=True),
            "Value #B": Column("Ranges", width=85),
            "Value #C": Column("Requests a minute", unit="locale", decimals=1, width=150),
            "Value #D": Column(
                "Success", unit="percentunit", decimals=1, width=95, steps=((None, ACT), (0.8, WATCH), (0.99, GOOD))
            ),
            "Value #E": Column("Failures a minute", unit="locale", decimals=1, width=145),
            "Value #F": Column("In flight", width=90),
            "Value #G": Column("Position", unit="percentunit", decimals=0, gauge=True, width=180),
            "Value #H": Column("Uptime", unit="dtdhms", width=130),
            "Value #I": Column("Memory", unit="bytes", decimals=0, width=100),
            "Value #J": Column("CPU", unit="percentunit", decimals=1, width=85),
            "Value #K": Column("Restarts", width=90, decimals=0, steps=((None, QUIET), (1, WATCH), (10, ACT))),
        },
        sort="Worker",
    )


def states() -> statetimeline.Panel:
    """What each did when."""
    return rectangle(
        Text(
            "What each worker did",
            "The state of each worker over time. Bad: blocked or outage, and gaps, in which it was not there.",
            NOBODY,
        ),
        course(STATE, "{{worker}}"),
        mappings=(coded(WORKER_STATES),),
    )


def ranges() -> table.Panel:
    """Which range is in which place."""
    named = f'count_values by (worker, place) ("range", {of("artistcrawl_worker_range")} > 0)'
    position = f"max by (worker, place) ({of('artistcrawl_worker_range_position_ratio')})"
    return lines(
        Text(
            "Ranges held",
            "The ranges that each worker has, and how far it is in each. A range that stands still while the others "
            "move is worth a look: its string fails again and again.",
            "No worker reported a range.",
        ),
        rows(f"{named} * on (worker, place) group_left () {position}"),
        columns={
            "worker": Column("Worker"),
            "place": Column("Place", width=75),
            "range": Column("Range", width=110),
            "Value": Column("Position", unit="percentunit", decimals=0, gauge=True),
        },
        sort="Worker",
    )


def memory() -> timeseries.Panel:
    """What they take of memory."""
    return graph(
        Text("Memory", "Resident memory of each worker. Bad where it only grows, or nears the pod's limit.", NOBODY),
        course(gauge("process_resident_memory_bytes", by="worker"), "{{worker}}"),
        unit="bytes",
        many=True,
        least=0,
    )


def cpu() -> timeseries.Panel:
    """What they take of CPU."""
    return graph(
        Text(
            "CPU",
            "CPU of each worker, as a share of one core. Near 100 % is bad: a worker is one thread, so that it holds "
            "requests up.",
            NOBODY,
        ),
        course(per_s("process_cpu_seconds_total", by="worker"), "{{worker}}"),
        unit="percentunit",
        many=True,
        least=0,
        steps=((None, "transparent"), (0.9, WATCH)),
    )


def restarted() -> timeseries.Panel:
    """When they began again."""
    return graph(
        Text(
            "Restarts",
            "When a worker's process began again. Many are bad: see its log, and the alert's runbook.",
            "No worker reported that it began again.",
        ),
        course(f"sum by (worker) (changes({of(_START)}[$__rate_interval])) > 0", "{{worker}}"),
        unit="none",
        decimals=0,
        stacked=True,
        many=True,
        least=0,
        most=1,
    )


def last_requests() -> table.Panel:
    """What the ledger knows of each worker."""
    good = in_colour({"ok": GOOD, "rate_limited": ACT})
    return lines(
        Text(
            "Requests by worker, as the ledger knows them",
            "Of the requests that the ledger keeps and that lie in the time chosen: each worker's last one, and how "
            "all of them went. A last request long ago is bad while the state is Crawling.",
            "The ledger has no request of the time chosen.",
        ),
        sql("workers"),
        columns={
            "worker": Column("Worker"),
            "time": Column("Last request", unit="dateTimeAsIsoNoDateIfToday", width=170),
            "query": Column("Query", width=110),
            "outcome": Column("Outcome", width=150, mappings=(good,)),
            "status": Column("Status", width=90, nothing="none"),
            "requests": Column("Requests", unit="locale", width=110),
            "ok": Column("Ok", unit="locale", width=100),
            "rate_limited": Column("429s", unit="locale", width=90, steps=((None, QUIET), (1, ACT))),
            "failed": Column("Failed", unit="locale", width=90, steps=((None, QUIET), (1, WATCH))),
            "duration_s": Column("Average duration", unit="s", width=140, steps=((None, PLAIN), (1, WATCH))),
        },
    )
