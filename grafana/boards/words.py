"""States in words and colours: those of a CrawlJob's status and of the live view, the same on every board.

Prometheus holds numbers only, so that a state is coded as its place in this list, from 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.models.dashboard import (
    DashboardRegexMapOptions,
    RegexMap,
    ValueMap,
    ValueMappingResult,
)

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


POD = "^(.*, )?[a-z0-9.-]+-[a-z0-9]{6,10}-([a-z0-9]{5})$"
"""A pod of a Deployment; its last five letters tell it from the others. worker-1 of a local run is none."""


def all_but(*good: str) -> RegexMap:
    """Leaves the words as they are, those that are not good in a colour."""
    pattern = f"^(?!({'|'.join(good)})$).+$"
    return RegexMap(
        DashboardRegexMapOptions(pattern=pattern, result=ValueMappingResult(text="$&", color=WATCH, index=0))
    )


def pod_in_short() -> RegexMap:
    """Reads a pod's name as its last five letters."""
    return RegexMap(DashboardRegexMapOptions(pattern=POD, result=ValueMappingResult(text="$2", color="text", index=0)))


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
    places = (f'{place} * ({selector}, state="{word}"}} == 1)' for place, word in enumerate(words, start=1))
    return f"max by ({by}) ({' or '.join(places)})"
