"""How the operator looks at CrawlJobs, and what it asks of Kubernetes."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, timeseries

from grafana.boards.colours import ACT, DEEP, GOOD, PLAIN, QUIET, SECOND, THIRD, WATCH
from grafana.boards.panels import Text, graph, number
from grafana.boards.promql import OPERATOR, a_minute, of, per_s, quantile
from grafana.boards.queries import course, now
from grafana.boards.sdk import override

NO_OPERATOR = "No operator reported this in the time chosen."
_LOOKS = "artistcrawl_operator_reconciles_total"
_NOT_DONE = 'result!="success"'
_DUE = 'state="due"'
_DONE, _FAILED = 'result="done"', 'result="failed"'
_REFUSED = 'code!~"2.."'
_STEPS = {
    "/Frontier|Job$|Letters/": GOOD,
    "/^Scale/": PLAIN,
    "/^(Create|Apply|Adopt)/": DEEP,
    "/^(Delete|Mark|SetFinalizers)/": SECOND,
    "/^(Unfreeze|ClearProblem)/": THIRD,
}
_RESOURCES = {
    "/crawljobs$/": GOOD,
    "/crawljobs.status/": PLAIN,
    "/deployments/": DEEP,
    "/pods/": SECOND,
    "/secrets/": THIRD,
    "/leases|events/": QUIET,
}


def failing() -> stat.Panel:
    """Whether looks fail."""
    return number(
        Text(
            "Looks that fail",
            "The share of looks at CrawlJobs that ended in an error or took too long. Each is tried again; above 5 % "
            "for long is bad: see the operator's log.",
            "no look",
        ),
        now(
            f"{per_s(_LOOKS, _NOT_DONE, whose=OPERATOR)} / ({per_s(_LOOKS, whose=OPERATOR)} > 0)",
            "fail",
        ),
        unit="percentunit",
        decimals=1,
        steps=((None, GOOD), (0.01, WATCH), (0.05, ACT)),
    )


def due() -> stat.Panel:
    """Whether it keeps up."""
    return number(
        Text(
            "Looks due",
            "CrawlJobs whose look is due now. More than a few for long is bad: the operator does not keep up.",
            "no operator",
        ),
        now(f"sum({of('artistcrawl_operator_queue_length', _DUE, whose=OPERATOR)})", "due"),
        unit="none",
        decimals=0,
        steps=((None, GOOD), (5, WATCH), (50, ACT)),
    )


def looks() -> timeseries.Panel:
    """How often it looks."""
    return graph(
        Text(
            "Looks a minute, by result",
            "Looks at CrawlJobs with what followed. error and timeout are tried again, later each time; many of them "
            "are bad. None at all is worst: nothing is watched.",
            NO_OPERATOR,
        ),
        course(f"{a_minute(_LOOKS, by='result', whose=OPERATOR)} > 0", "{{result}}"),
        unit="short",
        stacked=True,
        least=0,
        colours={"success": GOOD, "error": WATCH, "timeout": SECOND},
    )


def latency() -> timeseries.Panel:
    """How long a look takes."""
    histogram = "artistcrawl_operator_reconcile_duration_seconds"
    return graph(
        Text(
            "Time of a look",
            "Time of a look with what followed. Above a few seconds for long is bad: the ledger, Redis or the API "
            "server is slow; at 30 s it is broken off.",
            NO_OPERATOR,
        ),
        course(quantile(0.5, histogram, whose=OPERATOR), "p50"),
        course(quantile(0.95, histogram, whose=OPERATOR), "p95"),
        course(quantile(0.99, histogram, whose=OPERATOR), "p99"),
        unit="s",
        least=0,
        colours={"p50": GOOD, "p95": PLAIN, "p99": SECOND},
    )


def queue() -> timeseries.Panel:
    """How long looks wait."""
    return graph(
        Text(
            "Queue",
            "CrawlJobs whose look is due, and looks that run. due that only grows is bad: there are more CrawlJobs "
            "than the operator can look at.",
            NO_OPERATOR,
        ),
        course(f"sum({of('artistcrawl_operator_queue_length', _DUE, whose=OPERATOR)})", "due"),
        course(f"sum({of('artistcrawl_operator_reconciles_in_flight', whose=OPERATOR)})", "in flight"),
        course(quantile(0.95, "artistcrawl_operator_queue_wait_seconds", whose=OPERATOR), "wait, p95"),
        unit="none",
        decimals=0,
        least=0,
        most=5,
        colours={"due": WATCH, "in flight": GOOD, "wait, p95": PLAIN},
        overrides=(override("wait, p95", {"unit": "s", "custom.axisPlacement": "right"}),),
    )


def steps() -> timeseries.Panel:
    """What it did."""
    return graph(
        Text(
            "Steps done",
            "What the operator did after its looks, such as seeding a frontier or scaling a Deployment. Little "
            "happens while crawls go well; the same step over and over is worth a look.",
            "No operator reported a step.",
        ),
        course(f"{a_minute('artistcrawl_operator_steps_total', _DONE, by='step', whose=OPERATOR)} > 0", "{{step}}"),
        unit="cpm",
        stacked=True,
        colours=_STEPS,
        least=0,
    )


def failed_steps() -> timeseries.Panel:
    """What it could not do."""
    return graph(
        Text(
            "Steps that failed",
            "What the operator tried and could not do. It tries again; a step that goes on failing is bad: see its "
            "log and the CrawlJob's conditions.",
            "No operator reported a failed step.",
        ),
        course(f"{a_minute('artistcrawl_operator_steps_total', _FAILED, by='step', whose=OPERATOR)} > 0", "{{step}}"),
        unit="cpm",
        stacked=True,
        colours=_STEPS,
        least=0,
    )


def calls() -> timeseries.Panel:
    """What it asks of Kubernetes."""
    return graph(
        Text(
            "API calls a minute",
            "Requests to the Kubernetes API by verb and resource, without watches. A rise without more CrawlJobs is "
            "worth a look.",
            NO_OPERATOR,
        ),
        course(f"{a_minute('artistcrawl_operator_api_requests_total', by='verb, resource', whose=OPERATOR)} > 0",
               "{{verb}} {{resource}}"),
        unit="short",
        stacked=True,
        least=0,
        colours=_RESOURCES,
    )  # fmt: skip


def refused() -> timeseries.Panel:
    """What Kubernetes refuses."""
    refusals = a_minute("artistcrawl_operator_api_requests_total", _REFUSED, by="code, verb, resource", whose=OPERATOR)
    return graph(
        Text(
            "API calls that fail",
            "Requests that Kubernetes refused or did not answer (code 0). 409 now and then is normal: somebody was "
            "quicker. 403 is bad: a role is missing. 5xx and 0: the API server is in trouble.",
            "No operator reported a failed call.",
        ),
        course(f"{refusals} > 0", "{{code}} {{verb}} {{resource}}"),
        unit="cpm",
        stacked=True,
        least=0,
        colours={"/^409/": QUIET, "/^403/": ACT, "/^(0|5)/": WATCH},
    )


def call_latency() -> timeseries.Panel:
    """How fast Kubernetes answers."""
    histogram = "artistcrawl_operator_api_request_duration_seconds"
    return graph(
        Text(
            "API latency, p95",
            "Time of a request to the Kubernetes API, for 95 % of them, by verb. Above a second for long is bad: the "
            "API server is overloaded or far.",
            NO_OPERATOR,
        ),
        course(quantile(0.95, histogram, by="verb", whose=OPERATOR), "{{verb}}"),
        unit="s",
        least=0,
        colours={"GET": GOOD, "POST": PLAIN, "PATCH": SECOND, "DELETE": DEEP},
    )


def watches() -> timeseries.Panel:
    """Whether the watches are alive."""
    return graph(
        Text(
            "Watch events a minute",
            "What the watches brought. Quiet is normal where nothing changes; bad is quiet while CrawlJobs are "
            "applied: the operator then learns of them by its own rounds only.",
            "No operator reported a watch event.",
        ),
        course(f"{a_minute('artistcrawl_operator_watch_events_total', by='resource', whose=OPERATOR)}", "{{resource}}"),
        unit="short",
        least=0,
        colours={"crawljobs": GOOD, "deployments": PLAIN},
    )
