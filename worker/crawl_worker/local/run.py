"""`artistcrawl run FILE`: one CrawlJob on this machine, with servers, sandbox and workers of its own.

One run uses a folder at a time. At its end it says where the data is.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from crawl_core.errors import EXIT_CONFIGURATION, ConfigurationError
from crawl_core.serving.address import parse_metrics_address
from crawl_core.serving.loopback import loopback
from crawl_core.spec import CrawlJob, read_crawljob
from crawl_worker.commands.ends import EXIT_INTERRUPTED, CommandLine, ending_of
from crawl_worker.commands.output import program, refuse, remark, say, say_json
from crawl_worker.data.backends import DEFAULT_DATA, REDIS_VARIABLE, add_flags, given_urls
from crawl_worker.data.data_folder import DataFolder
from crawl_worker.embedded.waiting import Waiting
from crawl_worker.local.again import data_words, run_words, variables_note
from crawl_worker.local.crawl import LocalCrawl
from crawl_worker.local.interrupts import Interrupts
from crawl_worker.local.opened import Options, credentials
from crawl_worker.local.outcome import Outcome
from crawl_worker.local.summary import as_object, as_text
from crawl_worker.local.view import View, open_view
from crawl_worker.local.waits import Waits

TERMS_WARNING = (
    "NOTE: this crawls the real Spotify Web API. Spotify's Developer Terms forbid building databases of its content "
    "without permission; by spotify.termsAccepted: true you say that you have it."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Crawl, show it, sum it up."""
    arguments = _parser().parse_args(argv)
    started_s = time.monotonic()
    view = open_view(json=arguments.json, colour=not arguments.no_color)
    with Interrupts() as interrupts:
        try:
            return _run(arguments, view, interrupts, started_s=started_s)
        except BrokenPipeError:
            raise
        except (Exception, KeyboardInterrupt) as error:
            if not arguments.json:
                raise
            # A program that reads stdout finds one object whatever happened; stderr has the message as well.
            ending = ending_of("run", error)
            outcome = Outcome(ending.state, view.last, message=ending.line)
            data, seconds = (arguments.data or DEFAULT_DATA).absolute(), time.monotonic() - started_s
            with suppress(OSError):
                say_json(as_object(outcome, data=data, urls=given_urls(arguments), seconds=seconds))
            return refuse(ending, error)


def _run(arguments: argparse.Namespace, view: View, interrupts: Interrupts, *, started_s: float) -> int:
    job = read_crawljob(arguments.file)
    view.last = replace(view.last, job=f"{job.metadata.namespace}/{job.metadata.name}")
    _check(arguments, job)
    options = Options(
        urls=given_urls(arguments),
        processes=arguments.processes,
        catalogue=arguments.catalogue,
        again=arguments.again,
        metrics=parse_metrics_address(arguments.metrics_port, host=loopback()),
    )
    waits = Waits(view.event)
    folder = DataFolder(arguments.data or DEFAULT_DATA, waiting=Waiting(waits.tell, after_s=1.0))
    stored = bool(options.urls.postgres) or folder.postgres.set_up
    with view, _the_only_run(folder, waits):
        outcome = _crawl(job, options, folder=folder, view=view, interrupts=interrupts, waits=waits)
    seconds = time.monotonic() - started_s
    text = as_text(
        outcome,
        command=f"{program()} run {run_words(arguments, options.urls)}",
        where=data_words(arguments, options.urls, data=folder.path),
        data=folder.path,
        urls=options.urls,
        seconds=seconds,
        note=variables_note(arguments, options.urls),
        program=program(),
        stored=stored,
    )
    if arguments.json:
        remark(text)
        say_json(as_object(outcome, data=folder.path, urls=options.urls, seconds=seconds))
    else:
        say(f"\n{text}")
    return _status(outcome)


@contextmanager
def _the_only_run(folder: DataFolder, waits: Waits) -> Iterator[None]:
    with ExitStack() as stack:
        with waits.on(f"the processes of a run on {folder.path} that was killed to end"):
            stack.enter_context(folder.run())
        yield


def _crawl(
    job: CrawlJob, options: Options, *, folder: DataFolder, view: View, interrupts: Interrupts, waits: Waits
) -> Outcome:
    if job.spec.source.type == "Spotify":
        view.event(TERMS_WARNING)
    crawl = LocalCrawl(job, options, folder=folder, view=view, interrupts=interrupts, waits=waits)
    return asyncio.run(crawl.run())


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
        case "Suspended" if outcome.message:
            # The deadline ended it, and there is more to crawl: as after Ctrl-C, the same command can go on.
            return EXIT_INTERRUPTED
        case _:
            return 0


def _parser() -> argparse.ArgumentParser:
    parser = CommandLine(
        prog="artistcrawl run",
        description="Crawl a CrawlJob on this machine. Ctrl-C drains; the same command again goes on.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the CrawlJob, in YAML or JSON")
    add_flags(parser)
    group = parser.add_argument_group("how it runs")
    group.add_argument("--catalogue", type=Path, metavar="FILE", help="the sandbox's artists, Parquet or CSV")
    group.add_argument("--again", action="store_true", help="begin the job's next run: the last has ended")
    group.add_argument("--processes", type=int, metavar="N", help="worker processes (default: what the limit can use)")
    group.add_argument(
        "--metrics-port",
        metavar="PORT",
        help="serve metrics of the whole run at http://localhost:PORT/metrics; HOST:PORT for others to reach",
    )
    group.add_argument("--json", action="store_true", help="print one JSON object on stdout at the end")
    group.add_argument("--no-color", action="store_true", help="no colours")
    return parser
