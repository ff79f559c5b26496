"""The operator's processes: who leads, and what they take of their machines."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, statetimeline, timeseries

from grafana.boards.colours import ACT, GOOD, PLAIN, QUIET, WATCH
from grafana.boards.operator_rounds import NO_OPERATOR
from grafana.boards.panels import Text, graph, number, rectangle
from grafana.boards.promql import OPERATOR, a_minute, of, who
from grafana.boards.queries import course, now
from grafana.boards.words import mapped

_LEADER = of("artistcrawl_operator_leader", whose=OPERATOR)
_AN_OPERATOR = f" and on (job, instance) {of('artistcrawl_operator_info', whose=OPERATOR)}"
"""The process_* metrics have no label that says whose they are; other jobs export them as well."""


def leader() -> stat.Panel:
    """Who leads."""
    return number(
        Text(
            "Leader",
            "Which operator leads. Nobody for more than half a minute is bad: no CrawlJob is looked at, though "
            "workers go on crawling. Two at once is possible for one scrape.",
            "nobody leads",
        ),
        now(f"max by (who) ({who(_LEADER)}) == 1", "{{who}}"),
        unit="none",
        mappings=(mapped({"1": ("leads", GOOD)}),),
        # By name alone it would stay blank where nobody leads.
        show="value_and_name",
        of_pods=True,
    )


def replicas() -> stat.Panel:
    """How many there are."""
    return number(
        Text(
            "Operators",
            "Operators that report. One is enough; with a second, somebody takes over at once. None is bad.",
            "none",
        ),
        now(f"count({_LEADER})", "operators"),
        unit="none",
        decimals=0,
    )


def leaders() -> statetimeline.Panel:
    """When who led."""
    words = mapped({"1": ("leads", GOOD), "0": ("stands by", QUIET)})
    return rectangle(
        Text(
            "Who led",
            "Which operator led when. Many changes are bad: see the Lease and the operators' logs.",
            NO_OPERATOR,
        ),
        course(f"max by (who) ({who(_LEADER)})", "{{who}}"),
        mappings=(words,),
    )


def turns() -> timeseries.Panel:
    """Whether its parts turn."""
    turned = of("artistcrawl_operator_turn_timestamp_seconds", whose=OPERATOR)
    return graph(
        Text(
            "Since a part turned last",
            "Time since the part that looks at CrawlJobs, and the part that leads, turned. At 60 s the operator "
            "restarts itself: near that is bad.",
            NO_OPERATOR,
        ),
        course(f"time() - max by (who, part) ({who(turned)})", "{{part}}, {{who}}"),
        unit="s",
        many=True,
        least=0,
        steps=((None, "transparent"), (60, ACT)),
    )  # fmt: skip


def memory() -> timeseries.Panel:
    """What they take of memory."""
    used = f"{of('process_resident_memory_bytes', whose=OPERATOR)}{_AN_OPERATOR}"
    return graph(
        Text(
            "Memory",
            "Resident memory of each operator. Bad where it only grows, or nears the pod's limit.",
            NO_OPERATOR,
        ),
        course(f"max by (who) ({who(used)})", "{{who}}"),
        unit="bytes",
        many=True,
        least=0,
    )


def cpu() -> timeseries.Panel:
    """What they take of CPU."""
    used = f"rate({of('process_cpu_seconds_total', whose=OPERATOR)}[$__rate_interval]){_AN_OPERATOR}"
    return graph(
        Text(
            "CPU", "CPU of each operator, as a share of one core. Near 100 % is bad: looks then come late.", NO_OPERATOR
        ),
        course(f"max by (who) ({who(used)})", "{{who}}"),
        unit="percentunit",
        many=True,
        least=0,
        steps=((None, "transparent"), (0.9, WATCH)),
    )


def connections() -> timeseries.Panel:
    """What they have open."""
    theirs = 'crawljob=""'
    open_now = f"{of('artistcrawl_ledger_connections', theirs, whose=OPERATOR)}{_AN_OPERATOR}"
    limit = f"{of('artistcrawl_ledger_connections_limit', theirs, whose=OPERATOR)}{_AN_OPERATOR}"
    failed = " + ".join(
        a_minute(counter, theirs, whose=OPERATOR)
        for counter in ("artistcrawl_ledger_errors_total", "artistcrawl_redis_errors_total")
    )
    return graph(
        Text(
            "Connections",
            "The operators' connections to PostgreSQL, and errors a minute: calls that failed because PostgreSQL or "
            "Redis was out of reach. Errors are bad.",
            NO_OPERATOR,
        ),
        course(f"sum by (state) ({open_now})", "{{state}}"),
        course(f"sum({limit})", "limit"),
        course(f"({failed}) > 0", "errors a minute"),
        unit="none",
        decimals=0,
        least=0,
        colours={"lent": GOOD, "idle": PLAIN, "limit": QUIET, "errors a minute": ACT},
    )


def restarts() -> timeseries.Panel:
    """When they began again."""
    began = f"changes({of('process_start_time_seconds', whose=OPERATOR)}[$__rate_interval]){_AN_OPERATOR}"
    return graph(
        Text(
            "Restarts",
            "When an operator's process began again. Many are bad: see the log of the one before.",
            "No operator reported that it began again.",
        ),
        course(f"sum by (who) ({who(began)}) > 0", "{{who}}"),
        unit="none",
        decimals=0,
        stacked=True,
        many=True,
        least=0,
        most=1,
    )
