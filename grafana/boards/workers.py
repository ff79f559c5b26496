"""The board Workers: what each worker of one CrawlJob does, how its requests go, and what holds it up."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards import frame
from grafana.boards import workers_ledger as ledger
from grafana.boards import workers_now as workers
from grafana.boards import workers_requests as requests
from grafana.boards.firing import OF_ONE, firing
from grafana.boards.rows import shelf


def board() -> Dashboard:
    """The whole board."""
    return frame.board(
        frame.WORKERS,
        "The workers of one CrawlJob: what each does, its ranges and requests, retries, commits, memory. Alerts first.",
        [
            frame.prometheus(),
            frame.one("namespace", "Namespace", "label_values(artistcrawl_job_info, namespace)"),
            frame.one("crawljob", "CrawlJob", 'label_values(artistcrawl_job_info{namespace="$namespace"}, crawljob)'),
            frame.postgres(),
            frame.runbooks(),
        ],
        [
            shelf(5, (24, firing(OF_ONE, of="this CrawlJob and its workers"))),
            shelf(4, (4, workers.ready()), (6, workers.doing()), (4, workers.succeeded()), (4, workers.in_flight()),
                  (3, workers.restarts()), (3, workers.reach())),
            shelf(8, (24, workers.each())),
            shelf(8, (12, workers.states()), (12, workers.ranges())),
            "Requests",
            shelf(8, (12, requests.distribution()), (12, requests.by_worker())),
            shelf(8, (8, requests.retries()), (8, requests.permits_per_call()), (8, requests.round_trip())),
            "Ranges and the ledger",
            shelf(8, (8, ledger.frontier()), (8, ledger.leases()), (8, ledger.commits())),
            shelf(8, (6, ledger.commit_latency()), (6, ledger.uncommitted()), (6, ledger.connections()),
                  (6, ledger.failures())),
            "Processes",
            shelf(8, (8, workers.memory()), (8, workers.cpu()), (8, workers.restarted())),
            shelf(7, (24, workers.last_requests())),
        ],
    )  # fmt: skip
