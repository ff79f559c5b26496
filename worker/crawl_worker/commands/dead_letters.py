"""`artistcrawl retry-dead-letters`: strings given up, or ended too early, listed or put back into the keyspace.

The command itself searches nothing: a run or the workers do, as soon as the frontier has the strings' ranges.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from crawl_core.errors import ConfigurationError
from crawl_core.ledger import dead_letters
from crawl_core.ledger.ledger import Ledger
from crawl_core.text import clean
from crawl_core.values.dead_letters import DeadLetter, IncompleteSearch
from crawl_core.values.jobs import JobRow
from crawl_core.wording import number
from crawl_worker.commands.ends import CommandLine
from crawl_worker.commands.job_names import full_name
from crawl_worker.commands.jobs import named
from crawl_worker.commands.output import say, say_json
from crawl_worker.data.backends import add_flags, answering, backends

_LONGEST_REASON = 600


def main(argv: Sequence[str] | None = None) -> int:
    """List dead letters, or replay them."""
    parser = CommandLine(
        prog="artistcrawl retry-dead-letters", description="Search the strings again that were given up."
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the job: name or namespace/name")
    parser.add_argument(
        "--incomplete", action="store_true", help="strings with fewer results than their total says, instead"
    )
    parser.add_argument("--list", action="store_true", help="only show them")
    parser.add_argument("--string", action="append", metavar="STRING", help="only this one; may be repeated")
    parser.add_argument("--json", action="store_true", help="with --list: print a JSON array")
    add_flags(parser)
    arguments = parser.parse_args(argv)
    with backends(arguments) as urls:
        return asyncio.run(_act(urls.postgres, arguments))


async def _act(url: str, arguments: argparse.Namespace) -> int:
    with answering(url):
        ledger = await Ledger.open(url, application_name="artistcrawl-retry-dead-letters")
    try:
        job = await named(ledger, arguments.name)
        if arguments.incomplete:
            return await _act_on_incomplete(ledger, job, arguments)
        known = await dead_letters.all(ledger, job.id)
        if arguments.list:
            _show(known, as_json=arguments.json)
            return 0
        _check(job, [letter.string for letter in known], arguments.string or [], what="dead letters")
        ranges = await dead_letters.replay(ledger, job.id, arguments.string)
    finally:
        await ledger.close()
    return _tell(job, ranges, what="dead letters")


async def _act_on_incomplete(ledger: Ledger, job: JobRow, arguments: argparse.Namespace) -> int:
    known = await dead_letters.incomplete(ledger, job.id)
    if arguments.list:
        _show_incomplete(known, as_json=arguments.json)
        return 0
    _check(job, [search.string for search in known], arguments.string or [], what="incomplete strings")
    ranges = await dead_letters.replay_incomplete(ledger, job.id, arguments.string)
    return _tell(job, ranges, what="incomplete strings")


def _tell(job: JobRow, ranges: Sequence[int], *, what: str) -> int:
    if not ranges:
        say(f"{full_name(job)} has no {what} to search again")
    else:
        say(
            f"{number(len(ranges))} strings of {full_name(job)} will be searched again: "
            "by its workers, or by artistcrawl run with the same file"
        )
    return 0


def _check(job: JobRow, known: Sequence[str], strings: Sequence[str], *, what: str) -> None:
    """Nothing is replayed where one of the strings is none of them: it was mistyped, or is of another job."""
    unknown = sorted(set(strings) - set(known))
    if unknown:
        name, flag = full_name(job), "" if what == "dead letters" else "--incomplete "
        raise ConfigurationError(
            f"{', '.join(unknown)}: not among the {number(len(known))} {what} of {name}; "
            f"artistcrawl retry-dead-letters {flag}--list {name} shows them"
        )


def _show(letters: Sequence[DeadLetter], *, as_json: bool) -> None:
    if as_json:
        names = ("string", "reason", "attempts", "last_error", "replaying")
        say_json([{name: getattr(letter, name) for name in names} for letter in letters])
        return
    if not letters:
        say("no dead letters")
    for letter in letters:
        again = "  (is being searched again)" if letter.replaying else ""
        why = clean(f"{letter.reason} after {letter.attempts} attempts: {letter.last_error}", _LONGEST_REASON)
        say(f"{clean(letter.string, _LONGEST_REASON)}  {why}{again}")


def _show_incomplete(searches: Sequence[IncompleteSearch], *, as_json: bool) -> None:
    if as_json:
        names = ("string", "results", "total", "replaying")
        say_json([{name: getattr(search, name) for name in names} for search in searches])
        return
    if not searches:
        say("no incomplete strings")
    for search in searches:
        again = "  (is being searched again)" if search.replaying else ""
        what = f"{number(search.results)} results of a total of {number(search.total)}"
        say(f"{clean(search.string, _LONGEST_REASON)}  {what}{again}")
