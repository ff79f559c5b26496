"""The board Crawl: whether one CrawlJob crawls, how far it is, when it ends, and what is wrong."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards import crawl_course as course
from grafana.boards import crawl_health as health
from grafana.boards import crawl_tables as tables
from grafana.boards import frame
from grafana.boards.firing import OF_ONE, firing
from grafana.boards.rows import shelf


def board() -> Dashboard:
    """The whole board."""
    return frame.board(
        frame.CRAWL,
        "One CrawlJob: state, progress, time left, budget, artists, requests and searches. Alerts first, then "
        "health, then detail.",
        [
            frame.prometheus(),
            frame.one("namespace", "Namespace", "label_values(artistcrawl_job_info, namespace)"),
            frame.one("crawljob", "CrawlJob", 'label_values(artistcrawl_job_info{namespace="$namespace"}, crawljob)'),
            frame.postgres(),
            frame.runbooks(),
        ],
        [
            shelf(5, (24, firing(OF_ONE, of="this CrawlJob"))),
            shelf(4, (4, health.state()), (4, health.progressing()), (4, health.progress()), (4, health.time_left()),
                  (4, health.end()), (4, health.frozen())),
            shelf(4, (4, health.rate()), (4, health.budget()), (4, health.artists()), (4, health.searches()),
                  (4, health.truncated()), (4, health.dead_letters())),
            shelf(5, (9, tables.source()), (15, tables.runs())),
            "How it goes",
            shelf(4, (24, course.states())),
            shelf(8, (8, course.progress()), (8, course.artists()), (8, course.end())),
            shelf(8, (12, course.budget()), (12, course.requests())),
            shelf(8, (8, course.latency()), (8, course.permit_wait()), (8, course.searches())),
            "What was asked, and what was found",
            shelf(11, (12, tables.requests()), (12, tables.searches())),
            shelf(8, (7, course.gained()), (5, tables.strings()), (6, tables.results()), (6, tables.truncated())),
            "What is in work, and what was given up",
            shelf(9, (12, tables.ranges()), (12, tables.dead_letters())),
        ],
    )  # fmt: skip
