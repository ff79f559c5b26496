"""`artistcrawl run FILE`: one CrawlJob on this machine, with servers, sandbox and workers of its own.

One run uses a folder at a time. At its end it says where the data is.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from crawl_core.errors import EXIT_CONFIGURATION, ArtistcrawlError, ConfigurationError
from crawl_core.job.snapshot import Snapshot
from crawl_core.serving.address import LOOPBACK, parse_metrics_address
from crawl_core.spec import CrawlJob, read_crawljob
from crawl_worker.commands.output import program, remark, say, say_json
from crawl_worker.data.backends import DEFAULT_DATA, REDIS_VARIABLE, add_flags, given_urls
from crawl_worker.data.data_folder import DataFolder
from crawl_worker.local.again import data_words, run_words
from crawl_worker.local.crawl import LocalCrawl
from crawl_worker.local.opened import Options, credentials
from crawl_worker.local.outcome import Outcome
from crawl_worker.local.summary import as_object, as_text
from crawl_worker.local.view import View, open_view

EXIT_INTERRUPTED = 130

TERMS_WARNING = (
    "NOTE: this crawls the real Spotify Web API. Spotify's Developer Terms forbid building databases of its content "
    "without permission; by termsAccepted: true you say that you have it."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Crawl, show it, sum it up."""
    arguments = _parser().parse_args(argv)
    started_s = time.monotonic()
    try:
        return _run(arguments, started_s=started_s)
    except ArtistcrawlError as error:
        if arguments.json:
            # A program that reads stdout finds one object whatever happened; stderr has the message as well.
            data, seconds = (arguments.data or DEFAULT_DATA).absolute(), time.monotonic() - started_s
            refused = Outcome("Stalled", Snapshot(job=""), message=str(error))
            say_json(as_object(refused, data=data, urls=given_urls(arguments), seconds=seconds))
        raise


def _run(arguments: argparse.Namespace, *, started_s: float) -> int:
    job = read_crawljob(arguments.file)
    _check(arguments, job)
    options = Options(
        urls=given_urls(arguments),
        processes=arguments.processes,
        catalogue=arguments.catalogue,
        metrics=parse_metrics_address(arguments.metrics_port, host=LOOPBACK),
    )
    folder = DataFolder(arguments.data or DEFAULT_DATA)
    with folder.run(), open_view(json=arguments.json, colour=not arguments.no_color) as view:
        outcome = _crawl(job, options, folder=folder, view=view)
    seconds = time.monotonic() - started_s
    text = as_text(
        outcome,
        command=f"{program()} run {run_words(arguments, options.urls)}",
        where=data_words(arguments, options.urls, data=folder.path),
        data=folder.path,
        urls=options.urls,
        seconds=seconds,
        program=program(),
    )
    if arguments.json:
        remark(text)
        say_json(as_object(outcome, data=folder.path, urls=options.urls, seconds=seconds))
    else:
        say(f"\n{text}")
    return _status(outcome)


def _crawl(job: CrawlJob, options: Options, *, folder: DataFolder, view: View) -> Outcome:
    if job.spec.source.type == "Spotify":
        view.event(TERMS_WARNING)
    return asyncio.run(LocalCrawl(job, options, folder=folder, view=view).run())


def _check(arguments: argparse.Namespace, job: CrawlJob) -> None:
    """What can be known to fail before any server is started."""
    given = given_urls(arguments)
    if given.postgres and not given.redis:
        # Other runs may share the ledger and its buckets: a limiter for each run would multiply their limits.
        raise ConfigurationError(
            "--postgres needs --redis: all that crawls into one PostgreSQL must count its requests in one Redis; "
            f"write --redis redis://HOST:6379/0 as well (or set {REDIS_VARIABLE})"
        )
    if arguments.processes is not None and arguments.processes < 1:
        raise ConfigurationError(f"--processes {arguments.processes}: write 1 or more, or leave it out")
    if arguments.catalogue is not None and not arguments.catalogue.expanduser().is_file():
        raise ConfigurationError(f"--catalogue {arguments.catalogue}: no such file; give a Parquet or CSV file")
    if arguments.catalogue is not None and arguments.catalogue.suffix.lower() not in (".parquet", ".csv"):
        raise ConfigurationError(f"--catalogue {arguments.catalogue}: give a file that ends in .parquet or .csv")
    credentials(job)


def _status(outcome: Outcome) -> int:
    match outcome.state:
        case "Stalled":
            return EXIT_CONFIGURATION
        case "Interrupted":
            return EXIT_INTERRUPTED
        case _:
            return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="artistcrawl run",
        description="Crawl a CrawlJob on this machine. Ctrl-C drains; the same command again goes on.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the CrawlJob, in YAML or JSON")
    add_flags(parser)
    group = parser.add_argument_group("how it runs")
    group.add_argument("--catalogue", type=Path, metavar="FILE", help="the sandbox's artists, Parquet or CSV")
    group.add_argument("--processes", type=int, metavar="N", help="worker processes (default: what the limit can use)")
    group.add_argument(
        "--metrics-port",
        metavar="PORT",
        help="serve metrics of the whole run at http://127.0.0.1:PORT/metrics; HOST:PORT for others to reach",
    )
    group.add_argument("--json", action="store_true", help="print one JSON object on stdout at the end")
    group.add_argument("--no-color", action="store_true", help="no colours")
    return parser
