"""Whose limit counts on a bucket that several jobs share, and what to do about it: in words. Pure.

A bucket has one limit: the fewest requests and the longest window that any of its jobs asks for.
"""

from __future__ import annotations

from collections.abc import Sequence

from crawl_core.values.limits import Activity, Binder, BucketLimits
from crawl_core.wording import duration, number

_DOES: dict[Activity, str] = {
    "crawls": "it crawls",
    "idle": "nobody seems to crawl it",
    "suspended": "suspended, with workers that have not all ended",
    "ends": "it has ended, and its last request may still arrive",
}


def limit_text(limits: BucketLimits | Binder) -> str:
    """A limit as people say it."""
    return f"{number(limits.requests)} requests in {duration(limits.window_s)}"


def stricter(own: BucketLimits, binders: Sequence[Binder]) -> list[Binder]:
    """The jobs that allow a job less than its own limits do."""
    return [binder for binder in binders if _holds_back(binder, own)]


def _holds_back(binder: Binder, own: BucketLimits) -> bool:
    return binder.requests < own.requests or binder.window_s > own.window_s or (binder.even and not own.even)


def limited_message(own: BucketLimits, in_force: BucketLimits, binders: Sequence[Binder], *, bucket: str) -> str:
    """Why a job is held to less than its own limit, by whom, and what ends that."""
    others = stricter(own, binders)
    named = " and ".join(f"{other.name} ({limit_text(other)}; {_DOES[other.activity]})" for other in others)
    share = "share" if len(others) > 1 else "shares"
    why = f"{named or 'another job'} {share} bucket {bucket}"
    sentences = [f"{limit_text(in_force)} count instead of the job's own {limit_text(own)}: {why}."]
    if _is_of_several_windows(own, in_force, others):
        sentences.append(
            "Jobs with different windows are held to the fewest requests and the longest window of them all: "
            "write the same window in each, with as many requests as the source allows in it."
        )
    sentences.extend(_way_out(other) for other in others)
    return " ".join(sentences)


def _is_of_several_windows(own: BucketLimits, in_force: BucketLimits, others: Sequence[Binder]) -> bool:
    """Whether no job asks for what is in force: it is the requests of one in the window of another."""
    asked = [(own.requests, own.window_s), *((other.requests, other.window_s) for other in others)]
    return bool(others) and (in_force.requests, in_force.window_s) not in asked


def _way_out(other: Binder) -> str:
    namespace, _, name = other.name.partition("/")
    match other.activity:
        case "crawls":
            return (
                f"{other.name} binds nobody any more once it is suspended"
                f" (kubectl crawl suspend -n {namespace} {name}), "
                f"its run is ended with Ctrl-C, or it is ended for good (artistcrawl delete {other.name})."
            )
        case "suspended":
            return f"{other.name} binds nobody any more once its workers have ended."
        case "ends":
            return f"{other.name} binds nobody any more within moments."
        case "idle":
            return (
                f"Nobody saw the last worker of {other.name} end: crawl it on, suspend it, or end it for good with "
                f"artistcrawl delete {other.name}."
            )
