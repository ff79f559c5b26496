"""The console script `artistcrawl`: finds the subcommand, runs it, and turns errors into one message and a status.

Subcommands are named by dotted path and imported when called, so that each image needs only what it runs. It refuses
to show a traceback unless ARTISTCRAWL_DEBUG=1 asks for it.
"""

from __future__ import annotations

import difflib
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from crawl_core.errors import EXIT_USAGE
from crawl_core.streams import forgive_encodings
from crawl_worker.commands.ends import EXIT_FAILED, Ending, ending_of, wrong_command_line
from crawl_worker.commands.output import refuse, remark, say_json
from crawl_worker.machine.parent import follow_parent

Main = Callable[[Sequence[str] | None], int]

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("crawl_worker.local.run:main", "crawl a CrawlJob on this machine"),
    "validate": ("crawl_worker.commands.validate:main", "check a CrawlJob file and say what is wrong"),
    "status": ("crawl_worker.commands.status:main", "show the jobs and how far they are"),
    "runs": ("crawl_worker.commands.runs:main", "show when jobs were crawled, and what each run brought"),
    "export": ("crawl_worker.commands.export:main", "write artists, searches or requests to a file"),
    "psql": ("crawl_worker.commands.psql:main", "query the data with SQL"),
    "retry-dead-letters": ("crawl_worker.commands.dead_letters:main", "search the strings again that were given up"),
    "unfreeze": ("crawl_worker.commands.unfreeze:main", "lift the pause that a 429 put on a rate limit"),
    "delete": ("crawl_worker.commands.delete:main", "end a job for good; the artists stay"),
    "delete-run": (
        "crawl_worker.commands.delete_run:main",
        "delete an earlier run's data; its counts and artists stay",
    ),
    "migrate": ("crawl_worker.commands.migrate:main", "bring the ledger's schema up to date"),
    "worker": ("crawl_worker.process.main:main", "one crawling process (what a pod runs)"),
    "operator": ("crawl_operator.main:main", "turn CrawlJobs into workers in a cluster (what its Deployment runs)"),
    "sandbox": ("crawl_sandbox.cli:main", "a local stand-in for the Spotify Web API"),
}

_PASSWORD_IN_URL = re.compile(
    r"(?:--(?:postgres|redis)=)?(?:postgres(?:ql)?|rediss?|unix)://(?:[^:/@]*:[^/?]+@|.*[?&]password=)"
)

_WITH_JSON = ("run", "status", "runs", "retry-dead-letters")
"""Where --json is a flag: whoever reads stdout finds one JSON value, however the command ends."""

_WITH_SIGNALS_OF_THEIR_OWN = ("worker", "operator", "sandbox")
"""They drain on SIGTERM. Every other command ends on it as on Ctrl-C, and leaves no server of its own behind."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit status."""
    forgive_encodings()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help(), file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else EXIT_USAGE
    name, *rest = arguments
    if name in ("-V", "--version"):
        print(f"artistcrawl {_version()}")
        return 0
    if name not in COMMANDS:
        remark(f"artistcrawl: unknown command {name!r}; {_suggestion(name)}")
        return EXIT_USAGE
    follow_parent()
    _warn_of_passwords(rest)
    return _guarded(name, rest)


def _warn_of_passwords(arguments: Sequence[str]) -> None:
    """What was typed cannot be taken back, but the next command can do better."""
    if any(_PASSWORD_IN_URL.match(word) for word in arguments):
        remark(
            "artistcrawl: everybody on this machine can read a password on a command line: "
            "set ARTISTCRAWL_POSTGRES_URL and ARTISTCRAWL_REDIS_URL instead of --postgres and --redis"
        )


def _guarded(name: str, arguments: Sequence[str]) -> int:
    """Run a subcommand; whatever it raises becomes one message and an exit status, and one object with --json."""
    try:
        with _ended_by_signals() if name not in _WITH_SIGNALS_OF_THEIR_OWN else nullcontext():
            return _load(name)(arguments)
    except BrokenPipeError:
        # Whoever read our output has seen enough. Nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except SystemExit as end:
        if end.code == EXIT_USAGE:
            _tell_programs(name, arguments, wrong_command_line(end))
        raise
    except (Exception, KeyboardInterrupt) as error:
        ending = ending_of(name, error)
        _tell_programs(name, arguments, ending)
        return refuse(ending, error)


def _tell_programs(name: str, arguments: Sequence[str], ending: Ending) -> None:
    if name in _WITH_JSON and any(len(word) > 2 and "--json".startswith(word) for word in arguments):
        # Where stdout takes nothing any more, stderr still has the message, and the status is right.
        with suppress(OSError):
            say_json(ending.to_json(name))


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM, and the terminal's end unless nohup keeps it off, come as Ctrl-C does: as KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    before = [(number, signal.signal(number, signal.default_int_handler)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _load(name: str) -> Main:
    module, _, function = COMMANDS[name][0].partition(":")
    loaded: Main = getattr(import_module(module), function)
    return loaded


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, COMMANDS, n=1)
    return f"did you mean {close[0]!r}?" if close else "artistcrawl --help lists them"


def _version() -> str:
    try:
        return version("artistcrawl")
    except PackageNotFoundError:
        return "(not installed)"


def _help() -> str:
    lines = [f"  {name:<20}{what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: artistcrawl COMMAND ...",
            "",
            "Collects artist data from a rate-limited search API by searching every string of a keyspace.",
            "",
            *lines,
            "",
            "artistcrawl COMMAND --help tells more, artistcrawl --version the version.",
            "",
            "Start with: artistcrawl run k8s/samples/quickstart.yaml",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
