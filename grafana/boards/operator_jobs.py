"""The CrawlJobs as the leading operator reports them."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, table, timeseries

from grafana.boards.colours import ACT, GOOD, QUIET, WATCH
from grafana.boards.frame import CRAWL
from grafana.boards.panels import Column, Text, graph, lines, number
from grafana.boards.promql import OPERATOR, gauge, of
from grafana.boards.queries import course, now, rows
from grafana.boards.sdk import DataLink, coloured
from grafana.boards.words import JOB_STATES, all_but, code, coded

NOBODY = "No operator reports a CrawlJob."
_WHOSE = "namespace, crawljob"
_AGES = ((None, GOOD), (120, WATCH), (300, ACT))
_COUNTED = f"sum by (state) (max by ({_WHOSE}, state) ({of('artistcrawl_job_state', whose=OPERATOR)}))"
_AS_MEANT = (
    "Crawling",
    "LimitBinds",
    "WorkersStarting",
    "Suspended",
    "DeadlinePassed",
    "Frozen",
    "Paused",
    "Completed",
)
"""Reasons of Progressing that want nobody's attention."""

_DONE, _LEFT_ALONE = 'state="Succeeded"', 'reason=~"InvalidSpec|Paused"'
_AGE = (
    f"time() - {gauge('artistcrawl_job_observed_timestamp_seconds', by=_WHOSE, whose=OPERATOR)}"
    f" unless on ({_WHOSE}) {of('artistcrawl_job_state', _DONE, whose=OPERATOR)} == 1"
    f" unless on ({_WHOSE}) {of('artistcrawl_job_condition', _LEFT_ALONE, whose=OPERATOR)}"
)
"""As the alert has it: what is finished, invalid or paused is looked at when it changes, and is old by right."""


def _each(metric: str, matchers: str = "") -> str:
    return gauge(metric, matchers, by=_WHOSE, whose=OPERATOR)


def states() -> stat.Panel:
    """How many are in which state."""
    return number(
        Text(
            "CrawlJobs by state",
            "How many CrawlJobs are in which state. Stalled is bad: a person must act. Frozen mends itself.",
            "no CrawlJob is reported",
        ),
        now(f"{_COUNTED} > 0", "{{state}}"),
        unit="none",
        decimals=0,
        show="value_and_name",
        overrides=coloured(JOB_STATES),
    )


def states_over_time() -> timeseries.Panel:
    """How that went."""
    return graph(
        Text("CrawlJobs by state, over time", "How many CrawlJobs were in which state. Stalled is bad.", NOBODY),
        course(f"{_COUNTED} > 0", "{{state}}"),
        unit="none",
        decimals=0,
        stacked=True,
        least=0,
        colours=dict(JOB_STATES),
    )


def status_age() -> stat.Panel:
    """Whether what is shown is true now."""
    return number(
        Text(
            "Oldest look",
            "How long ago the CrawlJob that waits longest was looked at, of those that are not finished. Above two "
            "minutes is bad: its status and these boards no longer say what is.",
            "no CrawlJob",
        ),
        now(f"max({_AGE})", "age"),
        unit="s",
        decimals=0,
        steps=_AGES,
    )


def ages() -> timeseries.Panel:
    """How old each status was."""
    return graph(
        Text(
            "Age of the status",
            "How long ago each unfinished CrawlJob was looked at; at most the twenty oldest. Above two minutes is bad: "
            "the operator is silent, overloaded, or fails with it.",
            NOBODY,
        ),
        course(f"topk(20, {_AGE})", "{{namespace}}/{{crawljob}}"),
        unit="s",
        least=0,
        steps=((None, "transparent"), (120, WATCH), (300, ACT)),
    )


def each() -> table.Panel:
    """A row a CrawlJob."""
    variables = "var-namespace=${__data.fields.Namespace}&var-crawljob=${__data.fields.CrawlJob}"
    crawl = DataLink("Its board", f"/d/{CRAWL}?{variables}&${{__url_time_range}}&${{datasource:queryparam}}")
    left = f"{_each('artistcrawl_job_estimated_completion_timestamp_seconds')} - time()"
    why = of("artistcrawl_job_condition", 'type="Progressing"', whose=OPERATOR)
    return lines(
        Text(
            "CrawlJobs",
            "Each CrawlJob; its name leads to its board. Progressing is the reason of that condition. Bad: Stalled, "
            "dead letters, a status older than two minutes. No time left is told where nothing goes on, and no age "
            "of what is finished.",
            "No operator reports a CrawlJob.",
        ),
        rows(code(f"artistcrawl_job_state{{{OPERATOR}", JOB_STATES, by=_WHOSE)),
        rows(_each("artistcrawl_job_progress_ratio")),
        rows(left),
        rows(f"60 * {_each('artistcrawl_job_requests_per_second')}"),
        rows(_each("artistcrawl_job_artists")),
        rows(_each("artistcrawl_job_dead_letters")),
        rows(_each("artistcrawl_job_workers", 'state="ready"')),
        rows(_each("artistcrawl_job_workers", 'state="desired"')),
        rows(_AGE),
        rows(f"max by ({_WHOSE}, reason) ({why})"),
        columns={
            "namespace": Column("Namespace"),
            "crawljob": Column("CrawlJob", links=(crawl,)),
            "Value #A": Column("State", width=110, mappings=(coded(JOB_STATES),), filled=True),
            "reason": Column("Progressing", width=170, mappings=(all_but(*_AS_MEANT),)),
            "Value #B": Column("Progress", unit="percentunit", decimals=2, gauge=True, width=200),
            "Value #C": Column("Time left", unit="dtdhms", width=130),
            "Value #D": Column("Requests a minute", unit="locale", decimals=1, width=150),
            "Value #E": Column("Artists", unit="locale", width=110),
            "Value #F": Column("Dead letters", unit="locale", width=110, steps=((None, QUIET), (1, ACT))),
            "Value #G": Column("Workers", width=85),
            "Value #H": Column("Desired", width=85),
            "Value #I": Column("Status age", unit="s", decimals=0, width=110, steps=_AGES),
        },
        sort="Namespace",
    )
