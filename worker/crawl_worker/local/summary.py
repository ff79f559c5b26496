"""What a run says at its end: for a person, what was collected and how to use it; for a program, one object. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crawl_core.job import snapshot as words
from crawl_core.job.runs import compared
from crawl_core.wording import duration, number
from crawl_worker.commands.ends import ENDED_RUN, RUN_FIGURES
from crawl_worker.data.backends import Urls, masked
from crawl_worker.local.outcome import Outcome


def as_object(outcome: Outcome, *, data: Path, urls: Urls, seconds: float) -> dict[str, Any]:
    """The object that --json prints."""
    snapshot = outcome.snapshot
    result = {
        "state": outcome.state,
        "job": snapshot.job,
        "run": snapshot.run,
        **{name: getattr(snapshot, name) for name in (*RUN_FIGURES, *ENDED_RUN)},
        "seconds": round(seconds, 3),
        "data": masked(urls.postgres) if urls.postgres else str(data),
    }
    if snapshot.frozen_until:
        result["frozen_until"] = snapshot.frozen_until
    if outcome.message:
        result["message"] = outcome.message
    return result


def as_text(
    outcome: Outcome,
    *,
    command: str,
    where: str,
    data: Path,
    urls: Urls,
    seconds: float,
    note: str = "",
    program: str = "artistcrawl",
    stored: bool = True,
) -> str:
    """The same for a person, with what to do next: `command` goes on, `where` are the flags that name the data, `note`
    says what else the commands need, `stored` whether there was data before this run.
    """
    snapshot = outcome.snapshot
    figures = [
        ("run", f"{snapshot.run}{compared(snapshot.new, snapshot.gone)}"),
        ("artists", f"{number(snapshot.artists)} ({number(snapshot.artists_new)} that the data did not have yet)"),
        (
            "strings",
            f"{number(snapshot.covered)} of {number(snapshot.strings)} covered by {number(snapshot.searches)} searches",
        ),
        (
            "requests",
            f"{number(snapshot.requests)}, {number(snapshot.retries)} of them retries, "
            f"{number(snapshot.rate_limited)} answered 429",
        ),
        ("truncated", f"{number(snapshot.truncated)}{_truncated(snapshot.truncated)}"),
        ("dead letters", number(snapshot.dead_letters)),
        ("incomplete", number(snapshot.incomplete)),
        ("time", duration(seconds)),
    ]
    lines = [_headline(outcome, command, stored=stored)]
    if not (stored or snapshot.strings):
        # The commands below would find nothing.
        return "\n".join([*lines, *([note] if note else [])])
    lines += [f"  {name:<13} {text}" for name, text in figures]
    place = masked(urls.postgres) if urls.postgres else f"{data} (PostgreSQL 18)"
    following = next_commands(where, program=program)
    lines += ["", f"The data is in {place}. To use it:", *(f"  {line}" for line in following)]
    if snapshot.dead_letters:
        lines += ["To search the dead letters again:"]
        lines += [f"  {_joined(program, 'retry-dead-letters', where, snapshot.job)}", f"  {command}"]
    if snapshot.incomplete:
        lines += [f"{words.incomplete(snapshot)}. To search these again:"]
        lines += [f"  {_joined(program, 'retry-dead-letters --incomplete', where, snapshot.job)}", f"  {command}"]
    if note:
        lines.append(note)
    if any(":***@" in line for line in (*following, *lines[:2])):
        lines.append("Write the password where *** stands.")
    return "\n".join(lines)


def next_commands(where: str, *, program: str = "artistcrawl") -> list[str]:
    """Ready to paste."""
    top = "SELECT name, popularity FROM artists ORDER BY popularity DESC NULLS LAST LIMIT 10"
    return [
        _joined(program, "export artists", where, "--format csv --output artists.csv"),
        _joined(program, "psql", where, f'-c "{top}"'),
    ]


def _joined(*words: str) -> str:
    return " ".join(word for word in words if word)


def _headline(outcome: Outcome, command: str, *, stored: bool) -> str:
    job = outcome.snapshot.job
    match outcome.state:
        case "Succeeded" if outcome.finished_before:
            following = outcome.snapshot.run + 1
            left = f"nothing is left to do. To crawl it again, as run {following}:\n  {command} --again"
            return f"{job} was finished before; {left}"
        case "Succeeded":
            return f"{job} has succeeded: every string of the keyspace is covered."
        case "Suspended" if outcome.message:
            kept = (
                "everything received is kept. Raise spec.deadline, or write spec.deadlinePolicy: Alert, and run again"
            )
            return f"{job} is suspended: {outcome.message}; {kept}:\n  {command}"
        case "Suspended":
            return f"{job} is suspended (spec.suspend is true); set it to false and run again:\n  {command}"
        case "Stalled":
            return f"{job} has stalled: {outcome.message}"
        case _:
            while_starting = f" while it started ({outcome.message})" if outcome.message else ""
            kept = "; everything received is kept" if stored or outcome.snapshot.strings else ""
            return f"{job} was interrupted{while_starting}{kept}. To go on:\n  {command}"


def _truncated(count: int) -> str:
    if not count:
        return ""
    return " strings match more than the API shows; those shorter than maxLength are refined by longer ones"
