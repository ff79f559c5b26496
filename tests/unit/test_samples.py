"""The samples in k8s/samples are what a user starts from: each is valid, but the one that asks for consent."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawl_core.errors import SpecError
from crawl_core.spec import Spec, parse_crawljob, read_crawljob

SAMPLES = Path(__file__).parents[2] / "k8s" / "samples"
OPT_IN = SAMPLES / "spotify.yaml"


@pytest.mark.parametrize("path", sorted(set(SAMPLES.glob("*.yaml")) - {OPT_IN}), ids=lambda path: path.name)
def test_a_sample_is_valid_and_named_like_its_file(path: Path) -> None:
    assert read_crawljob(path).metadata.name == path.stem


def test_there_is_a_sample_for_each_way_to_crawl() -> None:
    assert {path.stem for path in SAMPLES.glob("*.yaml")} >= {"quickstart", "full", "adaptive", "refine", "spotify"}


def test_the_spotify_sample_is_refused_until_the_terms_are_accepted() -> None:
    with pytest.raises(SpecError) as refused:
        read_crawljob(OPT_IN)
    assert [problem.path for problem in refused.value.problems] == ["spec.source.spotify.termsAccepted"]
    assert "Developer Terms" in str(refused.value)


def test_the_spotify_sample_is_valid_once_the_terms_are_accepted() -> None:
    text = OPT_IN.read_text().replace("termsAccepted: false", "termsAccepted: true")
    assert parse_crawljob(text, origin="spotify.yaml").spec.source.terms_are_accepted


def test_the_full_sample_spells_out_the_defaults() -> None:
    full, plain = read_crawljob(SAMPLES / "full.yaml").spec, Spec()
    optional = full.keyspace.model_copy(update={"first": None, "last": None, "range_size": None})
    assert full.model_copy(update={"keyspace": optional, "deadline": None}) == plain
    assert full.keyspace.to_keyspace() == plain.keyspace.to_keyspace()


def test_the_quickstart_takes_about_a_minute_at_its_limit() -> None:
    spec = read_crawljob(SAMPLES / "quickstart.yaml").spec
    first_pages = spec.keyspace.to_keyspace().total
    assert 40 <= first_pages / spec.rate_limit.requests * spec.rate_limit.window.seconds <= 60
