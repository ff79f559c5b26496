"""The board Operator: whether the operator leads, looks, acts, and keeps every CrawlJob's status fresh."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards import frame
from grafana.boards import operator_jobs as jobs
from grafana.boards import operator_process as process
from grafana.boards import operator_rounds as rounds
from grafana.boards.firing import OF_ALL, firing
from grafana.boards.rows import shelf


def board() -> Dashboard:
    """The whole board."""
    return frame.board(
        frame.OPERATOR,
        "The operator and all CrawlJobs: leader, states, age of the status, looks, API calls. Alerts first.",
        [
            frame.prometheus(),
            frame.some("job", "Job", "label_values(artistcrawl_operator_info, job)"),
            frame.some("instance", "Instance", 'label_values(artistcrawl_operator_info{job=~"$job"}, instance)'),
            frame.runbooks(),
        ],
        [
            shelf(5, (24, firing(OF_ALL, of="any CrawlJob and the operator"))),
            shelf(4, (4, process.leader()), (3, process.replicas()), (8, jobs.states()), (3, jobs.status_age()),
                  (3, rounds.failing()), (3, rounds.due())),
            shelf(9, (24, jobs.each())),
            "CrawlJobs",
            shelf(8, (12, jobs.states_over_time()), (12, jobs.ages())),
            "Looks at CrawlJobs, and what followed",
            shelf(8, (8, rounds.looks()), (8, rounds.latency()), (8, rounds.queue())),
            shelf(8, (12, rounds.steps()), (12, rounds.failed_steps())),
            "Kubernetes API",
            shelf(8, (8, rounds.calls()), (8, rounds.refused()), (8, rounds.call_latency())),
            shelf(8, (8, rounds.watches()), (8, process.turns()), (8, process.leaders())),
            "Processes",
            shelf(8, (6, process.memory()), (6, process.cpu()), (6, process.connections()), (6, process.restarts())),
        ],
    )  # fmt: skip
