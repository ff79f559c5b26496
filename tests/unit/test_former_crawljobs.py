"""CrawlJobs that exist since before `source.dataset` and `source.spotify` are read, and are the same crawls."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from support.former import CRAWLJOBS, Former

from crawl_core.spec import crawljob_of, differences, identity
from crawl_core.spec.changes import canonical
from crawl_core.spec.sections import DEPRECATED

EACH = pytest.mark.parametrize("former", CRAWLJOBS, ids=lambda former: former.name)


@EACH
def test_a_stored_crawljob_is_read_as_it_was_applied(former: Former) -> None:
    stored = crawljob_of(former.stored, origin="the API server").spec
    applied = crawljob_of({**former.stored, "spec": former.applied}, origin="a file").spec
    assert stored.model_copy(update={"source": applied.source}) == applied
    # Before, the API server wrote the default false; now absent says the same.
    assert stored.source.terms_are_accepted == applied.source.terms_are_accepted
    assert identity(stored) == identity(applied)


@EACH
def test_its_identity_in_the_ledger_is_the_same_crawls(former: Former) -> None:
    spec = crawljob_of(former.stored, origin="the API server").spec
    assert canonical(former.identity) == identity(spec)
    assert differences(former.identity, spec) == {}


def moved(spec: dict[str, Any]) -> dict[str, Any]:
    """A spec as v1beta1 will have it: what is deprecated stands where docs/crawljob.md says."""
    made = copy.deepcopy(spec)
    for old, new in DEPRECATED.items():
        section, name = old.split(".")
        _, member, new_name = new.split(".")
        if name in made.get(section, {}):
            made[section].setdefault(member, {})[new_name] = made[section].pop(name)
    return made


@pytest.mark.parametrize("former", [each for each in CRAWLJOBS if each.name in ("spotify", "imitation")])
def test_moving_what_is_deprecated_changes_nothing(former: Former) -> None:
    before, after = (
        crawljob_of({**former.stored, "spec": spec}, origin="it").spec
        for spec in (former.stored["spec"], moved(former.stored["spec"]))
    )
    assert DEPRECATED.keys().isdisjoint(f"source.{name}" for name in moved(former.stored["spec"])["source"])
    assert identity(after) == identity(before)
    assert after.source.terms_are_accepted


def test_what_was_flat_is_in_force() -> None:
    everything = next(former for former in CRAWLJOBS if former.name == "everything")
    imitation = next(former for former in CRAWLJOBS if former.name == "imitation")
    assert crawljob_of(everything.stored, origin="it").spec.source.market_in_force == "SE"
    source = crawljob_of(imitation.stored, origin="it").spec.source
    assert (source.market_in_force, source.terms_are_accepted) == ("NO", True)
    assert source.dataset_in_force == "imitation.example"
