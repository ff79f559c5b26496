"""The alerts that fire, first on every board: what they say, since when, and the way to the runbook."""

from __future__ import annotations

from grafana_foundation_sdk.builders.table import Panel

from grafana.boards.frame import RUNBOOKS
from grafana.boards.panels import Column, Text, lines
from grafana.boards.promql import JOB
from grafana.boards.queries import rows
from grafana.boards.sdk import DataLink
from grafana.boards.words import SEVERITIES, in_colour, mapped

_OURS = 'alertname=~"Artistcrawl.+"'
OF_ALL = (_OURS,)
"""The alerts of all CrawlJobs and operators."""
OF_ONE = (f"{_OURS}, {JOB}", f'{_OURS}, crawljob=""')
"""Those of one CrawlJob, and of the operators: without one its figures are no longer true."""

MEANINGS = {
    "ArtistcrawlBudgetUnused": "Requests that may be sent are not",
    "ArtistcrawlDeadLetters": "Strings were given up in the last hour",
    "ArtistcrawlDeadlineAtRisk": "It ends after its deadline, as it goes",
    "ArtistcrawlFrozenLong": "The API asked for a long pause",
    "ArtistcrawlLeaseChurn": "Workers lose their ranges again and again",
    "ArtistcrawlLedgerUnreachable": "The ledger (PostgreSQL) is out of reach",
    "ArtistcrawlOperatorErrors": "The operator fails at CrawlJobs",
    "ArtistcrawlOperatorSilent": "No operator leads",
    "ArtistcrawlRateLimited": "The API answered 429",
    "ArtistcrawlRedisUnreachable": "Redis is out of reach",
    "ArtistcrawlRequestsFailing": "Many requests fail and are sent again",
    "ArtistcrawlStalled": "Nothing is crawled, and it does not mend itself",
    "ArtistcrawlStatusStale": "The status is old: nobody looks at it",
    "ArtistcrawlTruncatedShare": "Many strings have more artists than can be paged to",
    "ArtistcrawlWorkerCrashLoop": "Workers keep dying",
    "ArtistcrawlWorkersNotReady": "Workers do not come up",
}
"""What each alert says, in a few words: Prometheus keeps no annotation as a series."""


def firing(whose: tuple[str, ...], *, of: str) -> Panel:
    """The alerts that fire, of those that any of the matchers select."""
    labels = "alertname, severity, namespace, crawljob"
    active = " or ".join(
        f'ALERTS_FOR_STATE{{{matcher}}} and ignoring (alertstate) ALERTS{{{matcher}, alertstate="firing"}}'
        for matcher in whose
    )
    expression = f'label_replace(1000 * max by ({labels}) ({active}), "says", "$1", "alertname", "(.+)")'
    runbook = DataLink("Runbook: what it means, and what to do", f"{RUNBOOKS}/${{__data.fields.Alert}}.md")
    words = mapped({name: (text, "text") for name, text in MEANINGS.items()})
    return lines(
        Text(
            "Needs a person",
            f"The alerts that fire for {of}, as Prometheus evaluates them. Each line is bad; its link opens "
            "the runbook: what it means and what to do. Empty is good, where this Prometheus has the rules.",
            "No alert fires.",
        ),
        rows(expression),
        columns={
            "severity": Column("Severity", width=110, mappings=(in_colour(SEVERITIES),)),
            "says": Column("What is wrong", mappings=(words,), links=(runbook,)),
            "Value": Column("Since", unit="dateTimeFromNow", width=180, left=True),
            "namespace": Column("Namespace", width=180),
            "crawljob": Column("CrawlJob", width=220),
            "alertname": Column("Alert", width=270, links=(runbook,)),
        },
        sort="Severity",
    )
