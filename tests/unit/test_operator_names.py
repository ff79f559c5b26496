"""The name of the workers' Deployment: a host name for its pods, whatever the CrawlJob is called."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl_operator.values.names import workers_of

_LABEL = "[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?"
job_names = st.from_regex(rf"{_LABEL}(\.{_LABEL}){{0,3}}", fullmatch=True).filter(lambda name: len(name) <= 63)

POD_SUFFIX = "-" + "x" * 10 + "-" + "y" * 5


def test_a_plain_name_is_kept() -> None:
    assert workers_of("artists") == "artists-workers"


@given(job_names)
def test_its_pods_names_are_host_names(name: str) -> None:
    assert re.fullmatch("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", workers_of(name) + POD_SUFFIX)


@pytest.mark.parametrize(
    ("one", "other"), [("a.b", "a-b"), ("a.b-c", "a-b.c"), ("x" * 62 + "a", "x" * 62 + "b"), ("x" * 39, "x" * 40)]
)
def test_two_crawljobs_never_share_one(one: str, other: str) -> None:
    assert workers_of(one) != workers_of(other)


def test_it_is_the_same_each_time() -> None:
    assert workers_of("a.b") == "a-b-2e7336dc-workers"
