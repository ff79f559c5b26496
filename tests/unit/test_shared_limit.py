"""Whose limit counts on a shared bucket, told to whoever is held back by it."""

from __future__ import annotations

from typing import Any

import pytest

from crawl_core.job.shared_limit import limited_message, stricter
from crawl_core.values.limits import Binder, BucketLimits


def limits(requests: int, window_s: float) -> BucketLimits:
    return BucketLimits(requests=requests, window_s=window_s, request_timeout_s=10.0, even=True)


def binder(requests: int = 1, window_s: float = 600.0, *, name: str = "music/slow", **more: Any) -> Binder:
    return Binder(name, **{"requests": requests, "window_s": window_s, "even": True, "activity": "crawls", **more})


def said(*others: Binder, own: BucketLimits, in_force: BucketLimits) -> str:
    return limited_message(own, in_force, others, bucket="credential:x")


def test_the_job_whose_limit_counts_is_named_with_its_limit_and_what_it_does() -> None:
    message = said(binder(), own=limits(100, 1.0), in_force=limits(1, 600.0))
    assert message.startswith(
        "1 requests in 10 min count instead of the job's own 100 requests in 1 s: "
        "music/slow (1 requests in 10 min; it crawls) shares bucket credential:x."
    )
    assert "Jobs with different windows" not in message


@pytest.mark.parametrize(
    ("activity", "way_out"),
    [
        ("crawls", "once it is suspended (kubectl crawl suspend -n music slow), its run is ended with Ctrl-C"),
        ("suspended", "once its workers have ended"),
        ("ends", "within moments"),
        ("idle", "artistcrawl delete music/slow"),
    ],
)
def test_what_to_do_goes_by_what_the_job_does(activity: str, way_out: str) -> None:
    assert way_out in said(binder(activity=activity), own=limits(100, 1.0), in_force=limits(1, 600.0))


def test_a_limit_that_no_job_asks_for_is_explained_by_the_two_windows_that_make_it() -> None:
    """10 in 1 s and 600 in 60 s are 10 in 60 s: a sixtieth of either."""
    message = said(binder(10, 1.0), own=limits(600, 60.0), in_force=limits(10, 60.0))
    assert message.startswith("10 requests in 1 min count instead of the job's own 600 requests in 1 min: music/slow")
    assert "held to the fewest requests and the longest window of them all: write the same window in each" in message


def test_a_job_is_held_back_by_fewer_requests_a_longer_window_or_an_even_spacing_only() -> None:
    own = BucketLimits(requests=10, window_s=30.0, request_timeout_s=10.0, even=False)
    fewer, longer, even = binder(9, 30.0, even=False), binder(10, 31.0, even=False), binder(10, 30.0)
    wide = binder(11, 29.0, even=False)
    assert stricter(own, [fewer, longer, even, wide]) == [fewer, longer, even]
