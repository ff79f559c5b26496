"""What a person sees of a crawl, as plain values and in words: the same for a local run and for a cluster. Pure.

Whoever shows a crawl fills a Snapshot in; the views only read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from crawl_core.job.time_left import percentage
from crawl_core.spec.status import State
from crawl_core.text import clean
from crawl_core.wording import duration, number

ShownState = Literal[State, "Starting", "Draining", "Interrupted", "Refused", "Failed"]
"""A CrawlJob's state, or one that only a local run has. Refused: what was asked for is wrong, and nothing was started.
Failed: an error of its own, of the machine, or a server that does not answer ended it.
"""

_LONGEST_ERROR = 200
"""Characters of an error in a log's line."""

_LONGEST_NOTE = 600
_LONGEST_NAME = 320
"""Characters of NAMESPACE/NAME, with room: Kubernetes takes 63 and 253."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of one job, for people: what came from outside is cleaned as it enters."""

    job: str
    run: int = 0
    """The number of the run; 0: not known."""
    state: ShownState = "Starting"
    elapsed_s: float = 0.0
    share: float | None = None
    """The share covered, 0 to 1, of a CrawlJob's status: that has no counts of covered strings, retries and 429s."""
    covered: int = 0
    strings: int = 0
    searches: int = 0
    requests: int = 0
    retries: int = 0
    rate_limited: int = 0
    artists: int = 0
    artists_new: int = 0
    truncated: int = 0
    dead_letters: int = 0
    incomplete: int = 0
    """Strings that ended with fewer results than their total said."""
    new: int | None = None
    """Of a run that has ended: artists that the run before had not returned; of the first, those new to the ledger."""
    gone: int | None = None
    """Of a run that has ended: artists that only the run before had returned; None: it was not compared."""
    requests_per_minute: float = 0.0
    limit_per_minute: float = 0.0
    eta_s: float | None = None
    workers_alive: int = 0
    workers_desired: int = 0
    frozen_s: float = 0.0
    frozen_until: str = ""
    last_error: str = ""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "job", clean(self.job, _LONGEST_NAME))
        object.__setattr__(self, "last_error", clean(self.last_error, _LONGEST_NOTE))
        object.__setattr__(self, "notes", tuple(clean(note, _LONGEST_NOTE) for note in self.notes))

    @property
    def progress(self) -> float:
        """The share of the keyspace covered, 0 to 1."""
        if self.share is not None:
            return self.share
        return self.covered / self.strings if self.strings else 0.0

    @property
    def percentage(self) -> str:
        """The same in words, as a CrawlJob's status says it: 100.00% only when the job is done."""
        if self.share is not None:
            return f"{self.share:.2%}"
        return percentage(covered=self.covered, total=self.strings, finished=self.state == "Succeeded")


def line(snapshot: Snapshot) -> str:
    """All of it as one line of a log."""
    parts = [
        f"{snapshot.state:<9}",
        f"{snapshot.percentage:>7}",
        f"searches {number(snapshot.searches)}",
        f"artists {artists(snapshot)}",
        f"requests {number(snapshot.requests)}",
        rate(snapshot),
        f"workers {snapshot.workers_alive}/{snapshot.workers_desired}",
        f"left {left(snapshot)}",
    ]
    if snapshot.run:
        parts.append(f"run {snapshot.run}")
    if snapshot.frozen_s > 0:
        parts.append(freeze(snapshot))
    if snapshot.rate_limited:
        parts.append(f"429s {number(snapshot.rate_limited)}")
    if snapshot.dead_letters:
        parts.append(f"dead letters {number(snapshot.dead_letters)}")
    if snapshot.incomplete:
        parts.append(f"incomplete {number(snapshot.incomplete)}")
    if snapshot.last_error and not snapshot.requests_per_minute:
        parts.append(f"(last error: {snapshot.last_error[:_LONGEST_ERROR]})")
    return "  ".join([*parts, *(f"({note})" for note in snapshot.notes)])


def strings(snapshot: Snapshot) -> str:
    """How much of the keyspace is covered, in strings; its size where that is not counted."""
    if snapshot.share is not None:
        return number(snapshot.strings)
    return f"{number(snapshot.covered)} of {number(snapshot.strings)} covered"


def artists(snapshot: Snapshot) -> str:
    """How many were returned, and how many of them the ledger had not."""
    return f"{number(snapshot.artists)} ({number(snapshot.artists_new)} new)"


def workers(snapshot: Snapshot) -> str:
    """How many there are of those that there should be."""
    return f"{snapshot.workers_alive} of {snapshot.workers_desired}"


def left(snapshot: Snapshot) -> str:
    """How long it will go on, if that can be said."""
    return "?" if snapshot.eta_s is None else duration(snapshot.eta_s)


def rate(snapshot: Snapshot) -> str:
    """How fast it goes, against how fast it may."""
    limit = f" of {number(snapshot.limit_per_minute)}" if snapshot.limit_per_minute else ""
    return f"{number(snapshot.requests_per_minute)}{limit} a minute"


def freeze(snapshot: Snapshot) -> str:
    """Until when the source asked us to pause."""
    return f"frozen until {snapshot.frozen_until} (in {duration(snapshot.frozen_s)})"


def incomplete(snapshot: Snapshot) -> str:
    """How many strings ended before their totals."""
    strings = "string has" if snapshot.incomplete == 1 else "strings have"
    return f"{number(snapshot.incomplete)} {strings} fewer results than the total says"
