"""Runs of a CrawlJob: the next one asked for, the last ones listed, the data of an earlier one deleted."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from crawl_core.errors import ConfigurationError
from crawl_core.job.runs import line, table, waiting
from crawl_operator.plugin import jobs
from crawl_operator.plugin.asks import full_name, handled, patch, wait
from crawl_operator.plugin.output import remark, say, say_json
from crawl_operator.plugin.picture import current_run, last_runs
from crawl_operator.plugin.server import PluginClient
from crawl_operator.values import names

Crawljob = Mapping[str, Any]


def again(server: PluginClient, arguments: argparse.Namespace) -> int:
    """Ask for the run after the current one: `spec.run` says which is wanted, so that asking twice is asking once."""
    crawljob = jobs.crawljob(server, arguments.name)
    current, wanted = current_run(crawljob), crawljob["spec"].get("run") or 0
    ended = bool((crawljob.get("status") or {}).get("completionTime"))
    if not ended and not arguments.when_ended:
        raise ConfigurationError(
            f"run {current} of {full_name(crawljob)} has not ended; to have the next one begin when it has, write "
            f"kubectl crawl again {arguments.name} --when-ended"
        )
    number = max(wanted, current + 1)
    if wanted != number:
        patch(server, arguments.name, {"spec": {"run": number}})
    when = f"begins, with the spec as it is now: spec.run is {number}" if ended else "is asked for"
    say(f"run {number} of {full_name(crawljob)} {when}")
    if not ended:
        say(waiting(number, current=current))
    return wait(server, arguments, lambda now: current_run(now) >= number)


def runs(server: PluginClient, arguments: argparse.Namespace) -> int:
    """The last runs of a CrawlJob in a table, as its status has them."""
    crawljob = jobs.crawljob(server, arguments.name)
    if arguments.output == "json":
        say_json((crawljob.get("status") or {}).get("runs") or [])
    elif shown := last_runs(crawljob):
        say(table(shown, now_s=time.time()))
    else:
        remark(f"{full_name(crawljob)} has no run yet; kubectl crawl status {arguments.name} says why")
    return 0


def delete_run(server: PluginClient, arguments: argparse.Namespace) -> int:
    """Have the rows of an earlier run deleted; the operator does it."""
    crawljob, number = jobs.crawljob(server, arguments.name), arguments.number
    name, current = full_name(crawljob), current_run(crawljob)
    if number >= current:
        why = "is the current one" if number == current else f"has not begun: the current one is run {current}"
        later = f"; its data can be deleted once run {current + 1} has begun" if number == current else ""
        raise ConfigurationError(f"run {number} of {name} {why}{later}")
    if not arguments.yes and not _agreed(crawljob, number):
        say(f"run {number} of {name} stays as it is")
        return 1
    value = str(number)
    if handled(crawljob, "deleteRun") == value:
        value += f"-{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"  # the same value again would ask for nothing
    patch(server, arguments.name, {"metadata": {"annotations": {names.ANNOTATION_DELETE_RUN: value}}})
    say(f"the data of run {number} of {name} is deleted by the operator; its counts and all artists stay")
    return wait(server, arguments, lambda now: handled(now, "deleteRun") == value)


def _agreed(crawljob: Crawljob, number: int) -> bool:
    """Whether the person at the terminal says yes."""
    name = full_name(crawljob)
    if not sys.stdin.isatty():
        command = f"kubectl crawl delete-run {crawljob['metadata']['name']} {number} --yes"
        raise ConfigurationError(f"deleting run {number} of {name} cannot be undone: write {command}")
    shown = [line(run, now_s=time.time()) for run in last_runs(crawljob) if run.number == number]
    remark(f"{name}, {shown[0] if shown else f'run {number}'}.")
    remark("Its searches and dead letters are deleted, and which artists it returned. Its counts and all artists stay.")
    remark("Delete them? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
