"""What a running crawl lives through: it says what is wrong, and tries again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest

from crawl_core.errors import UnknownJobError
from crawl_core.spec import parse_crawljob
from crawl_worker.crew.mending import Mender
from crawl_worker.data.backends import Urls
from crawl_worker.local.crawl import LocalCrawl
from crawl_worker.local.interrupts import Interrupts
from crawl_worker.local.opened import Options
from crawl_worker.local.waits import Waits

JOB = "{apiVersion: artistcrawl.dev/v1alpha1, kind: CrawlJob, metadata: {name: artists}, spec: {}}"


class Failing:
    """A server that has died and does not start, or a folder that nothing can be written to."""

    running = False

    def __init__(self, error: Exception) -> None:
        self._error = error

    def start(self) -> None:
        raise self._error

    def remember(self, children: object) -> None:
        raise self._error


def crawl_in(folder: Any) -> LocalCrawl:
    job = parse_crawljob(JOB, origin="test")
    view = cast("Any", SimpleNamespace(event=lambda text: None))
    return LocalCrawl(
        job, Options(urls=Urls("", "")), folder=folder, view=view, interrupts=Interrupts(), waits=Waits(view.event)
    )


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        psycopg.OperationalError("starting up\nof what libpq adds"),
        UnknownJobError("gone"),
    ],
)
async def test_what_may_pass_is_said_and_tried_again(error: Exception) -> None:
    crew = cast("Any", SimpleNamespace(refusal=""))
    crawl = crawl_in(SimpleNamespace(postgres=Failing(error)))
    assert await crawl._look_and_mend(crew) is None
    (note,) = crawl._monitor.snapshot.notes
    assert note == f"{str(error).splitlines()[0]}; trying again"
    assert crew.refusal == ""


def test_a_full_disk_does_not_end_the_crawl() -> None:
    folder = cast("Any", Failing(OSError(28, "No space left on device")))
    Mender(folder, Urls("", ""), event=lambda text: None).remember([])
