"""The limits that satisfy every job on a bucket."""

from __future__ import annotations

import pytest

from crawl_core.values.limits import BucketLimits


def test_the_strictest_takes_the_worst_of_each() -> None:
    one = BucketLimits(requests=10, window_s=30.0, request_timeout_s=5.0, even=False)
    other = BucketLimits(requests=100, window_s=60.0, request_timeout_s=2.0, even=True)
    expected = BucketLimits(requests=10, window_s=60.0, request_timeout_s=5.0, even=True)
    assert BucketLimits.strictest([one, other]) == expected


def test_one_job_alone_keeps_its_limits() -> None:
    only = BucketLimits(requests=10, window_s=30.0, request_timeout_s=5.0, even=False)
    assert BucketLimits.strictest([only]) == only


def test_no_job_at_all_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one"):
        BucketLimits.strictest([])
