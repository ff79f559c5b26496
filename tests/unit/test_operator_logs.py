"""What kopf and the clients may say in the operator's log."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from crawl_core import logs
from crawl_operator.watch.handlers import tame_logs

LOGGERS = ("kopf", "kopf.objects", "asyncio", "aiohttp", "kubernetes", "urllib3")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """The log at DEBUG; everything is as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    found = io.StringIO()
    logs.configure(log_format="json", level="DEBUG", stream=found)
    tame_logs("DEBUG")
    yield found
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def test_at_debug_kopf_speaks_but_not_of_every_event(stream: io.StringIO) -> None:
    logging.getLogger("kopf.objects").info("Handler 'crawljob' succeeded.")
    logging.getLogger("kopf._core.reactor.running").debug("starting")
    logging.getLogger("urllib3").debug("a Secret")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["starting"]


def test_a_watch_that_is_opened_again_by_itself_is_no_error(stream: io.StringIO) -> None:
    for said in ("Request attempt #1/9 failed; will retry", "Event processing has failed"):
        logging.getLogger("kopf._cogs.clients.watching").error(said)
    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == ["warning", "error"]
