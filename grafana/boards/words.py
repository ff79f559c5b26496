"""States in words and colours: those of a CrawlJob's status and of the live view, the same on every board.

Prometheus holds numbers only, so that a state is coded as its place in this list, from 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.models.dashboard import ValueMap, ValueMappingResult

from grafana.boards.colours import ACT, DEEP, GOOD, PLAIN, QUIET, SECOND, WATCH

Words = Mapping[str, str]
"""A word, and its colour."""

JOB_STATES: Words = {
    "Pending": PLAIN,
    "Crawling": GOOD,
    "Suspended": QUIET,
    "Frozen": WATCH,
    "Stalled": ACT,
    "Succeeded": DEEP,
}
WORKER_STATES: Words = {
    "starting": PLAIN,
    "crawling": GOOD,
    "idle": QUIET,
    "frozen": WATCH,
    "outage": ACT,
    "blocked": ACT,
    "draining": SECOND,
}
SEVERITIES: Words = {"critical": ACT, "warning": WATCH, "info": PLAIN}


def coded(words: Words) -> ValueMap:
    """Reads a word's place as the word."""
    return mapped({str(place): (word, colour) for place, (word, colour) in enumerate(words.items(), start=1)})


def in_colour(words: Words) -> ValueMap:
    """Leaves the words as they are, in their colours."""
    return mapped({word: (word, colour) for word, colour in words.items()})


def mapped(values: Mapping[str, tuple[str, str]]) -> ValueMap:
    """Reads each value as a text in a colour."""
    return ValueMap(
        options={
            value: ValueMappingResult(text=text, color=colour, index=index)
            for index, (value, (text, colour)) in enumerate(values.items())
        }
    )


def code(selector: str, words: Sequence[str] | Words, *, by: str) -> str:
    """The place of the word that a gauge with the label `state` holds; `selector` is its name and matchers, open."""
    each = (f'{place} * ({selector}, state="{word}"}} == 1)' for place, word in enumerate(words, start=1))
    return f"max by ({by}) ({' or '.join(each)})"
