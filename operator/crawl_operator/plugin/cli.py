"""The console script `kubectl-crawl`, which kubectl runs as `kubectl crawl`.

Exit statuses are artistcrawl's: 1 for what may pass, 2 for a wrong command line, 78 for what a person must change, 130
when interrupted. A traceback is shown only with ARTISTCRAWL_DEBUG=1.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence

from crawl_core.durations import Duration, suggestion
from crawl_core.errors import EXIT_CONFIGURATION, ArtistcrawlError, ConfigurationError
from crawl_core.streams import forgive_encodings
from crawl_operator.plugin.output import remark

_Add = Callable[..., argparse.ArgumentParser]

EXIT_INTERRUPTED = 130

ASKS = {
    "suspend": "pause a CrawlJob: no request is lost, none repeated",
    "resume": "go on where it stopped",
    "restart": "replace the workers, one at a time",
    "retry-dead-letters": "search the strings again that were given up",
    "unfreeze": "lift the pause that a 429 put on the rate limit",
    "again": "crawl everything once more, as the next run, with the spec as it is",
    "delete-run": "delete the data of an earlier run; its counts and all artists stay",
}
COMMANDS = ("status", "runs", *ASKS, "logs")

_EPILOG = """\
Each command tells more with --help. To change how many workers there are:
  kubectl scale crawljob/NAME --replicas=3
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; whatever it raises becomes one message and an exit status."""
    forgive_encodings()
    try:
        return _run(parser().parse_args(argv))
    except ArtistcrawlError as error:
        return _fail(str(error), EXIT_CONFIGURATION if isinstance(error, ConfigurationError) else 1)
    except ModuleNotFoundError as error:
        return _fail(f"{error.name} is not installed; run: pip install 'artistcrawl[kubectl]'", EXIT_CONFIGURATION)
    except KeyboardInterrupt:
        # A second one must not interrupt the way out.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. Nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        return _fail(f"met an error of its own: {what} (please report it, with what ARTISTCRAWL_DEBUG=1 shows)", 1)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(
        prog="kubectl crawl",
        description="CrawlJobs at a glance, and what can be asked of them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[_connection(None)],
        allow_abbrev=False,
    )
    add = whole.add_subparsers(dest="command", metavar="COMMAND", required=True).add_parser
    _status(_command(add, "status", "show CrawlJobs and how far they are; -w follows them"))
    _runs(_command(add, "runs", "show the last runs of a CrawlJob, and what each brought"))
    for name, what in ASKS.items():
        command = _command(add, name, what)
        _ask(command)
        _more(command, name)
    _logs(_command(add, "logs", "print the logs of all workers; -f follows them"))
    return whole


def _run(arguments: argparse.Namespace) -> int:
    # Imported here, so that --help and a wrong command line need no client library.
    from crawl_operator.plugin import asks, jobs, runs
    from crawl_operator.plugin.logs import logs
    from crawl_operator.plugin.server import Access, PluginClient, connect
    from crawl_operator.plugin.status import status

    commands: dict[str, Callable[[PluginClient, argparse.Namespace], int]] = {
        "status": status,
        "suspend": asks.suspend,
        "resume": asks.resume,
        "restart": asks.restart,
        "retry-dead-letters": asks.retry_dead_letters,
        "unfreeze": asks.unfreeze,
        "again": runs.again,
        "runs": runs.runs,
        "delete-run": runs.delete_run,
        "logs": logs,
    }
    if arguments.name is not None:
        arguments.name = jobs.plain(arguments.name)
    access = Access(
        kubeconfig=arguments.kubeconfig,
        context=arguments.context,
        namespace=arguments.namespace,
        user=arguments.impersonate,
    )
    return commands[arguments.command](connect(access), arguments)


def _command(add: _Add, name: str, what: str) -> argparse.ArgumentParser:
    # What a command is not told must not undo what stood before it.
    return add(
        name, help=what, description=f"{what[0].upper()}{what[1:]}.", parents=[_connection(argparse.SUPPRESS)],
        allow_abbrev=False,
    )  # fmt: skip


def _connection(default: str | None) -> argparse.ArgumentParser:
    """The flags by which kubectl finds a cluster, before and after the command."""
    flags = argparse.ArgumentParser(add_help=False)
    group = flags.add_argument_group("cluster")
    group.add_argument("-n", "--namespace", metavar="NAMESPACE", default=default, help="instead of the context's")
    group.add_argument("--context", metavar="NAME", default=default, help="instead of the current one")
    group.add_argument("--kubeconfig", metavar="FILE", default=default, help="instead of KUBECONFIG or ~/.kube/config")
    group.add_argument("--as", metavar="USER", dest="impersonate", default=default, help="whom to impersonate")
    return flags


def _status(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", nargs="?", metavar="NAME", help="one CrawlJob; without it, all of the namespace")
    command.add_argument("-w", "--watch", action="store_true", help="go on showing; one CrawlJob until it is done")
    command.add_argument("-A", "--all-namespaces", action="store_true", help="those of all namespaces")
    command.add_argument("-o", "--output", choices=["json"], help="the objects, as kubectl get prints them")


def _ask(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME", help="the CrawlJob")
    command.add_argument("--wait", action="store_true", help="return when the operator has done it")
    command.add_argument(
        "--timeout", type=_duration, default=Duration.parse("2m"), metavar="TIME", help="with --wait, at most (2m)"
    )


def _more(command: argparse.ArgumentParser, name: str) -> None:
    """What one of the asks takes that the others do not."""
    match name:
        case "retry-dead-letters":
            of_those = "strings with fewer results than their total says, instead"
            command.add_argument("--incomplete", action="store_true", help=of_those)
        case "again":
            later = "where the current run goes on, begin when it has ended"
            command.add_argument("--when-ended", action="store_true", help=later)
        case "delete-run":
            command.add_argument("number", type=_run_number, metavar="N", help="the run: kubectl crawl runs NAME")
            command.add_argument("--yes", action="store_true", help="do not ask")


def _runs(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME", help="the CrawlJob")
    command.add_argument("-o", "--output", choices=["json"], help="the list in its status")


def _logs(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME", help="the CrawlJob")
    command.add_argument("-f", "--follow", action="store_true", help="go on printing, and of later workers, too")
    command.add_argument("-p", "--previous", action="store_true", help="of the containers before the last restart")
    command.add_argument("--tail", type=_count, metavar="N", help="only the last N lines of each")
    command.add_argument("--since", type=_duration, metavar="TIME", help="only lines younger than that, such as 10m")


def _duration(text: str) -> Duration:
    try:
        return Duration.parse(text)
    except ValueError as error:
        meant = suggestion(text)
        raise argparse.ArgumentTypeError(f"{error}{f'; did you mean {meant}?' if meant else ''}") from error


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no count of lines; write a whole number")
    return int(text)


def _run_number(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of a run; write a whole number, such as 1")
    return int(text)


def _fail(message: str, status: int) -> int:
    if os.environ.get("ARTISTCRAWL_DEBUG") == "1":
        traceback.print_exc()
    remark(message)
    return status


if __name__ == "__main__":
    sys.exit(main())
