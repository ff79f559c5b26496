"""Every registered source does what the crawl relies on, and no type is without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest
from support.proofs.source_contract import EXAMPLES, SourceUnderTest, every_check

from crawl_core.errors import ConfigurationError
from crawl_core.spec import sections
from crawl_worker.sources.registry import SOURCES, source_type


@every_check
@pytest.mark.parametrize("name", SOURCES)
def test_every_source_keeps_the_contract(name: str, check: Callable[[SourceUnderTest], None]) -> None:
    check(SourceUnderTest(source_type(name), EXAMPLES[name]))


def test_every_type_that_a_crawljob_may_have_is_registered() -> None:
    assert set(get_args(sections.Source.model_fields["type"].annotation)) == set(SOURCES)


def test_an_unknown_type_is_refused_and_its_credentials_go_nowhere() -> None:
    with pytest.raises(ConfigurationError, match=rf"'Deezer' is none that this worker knows \({', '.join(SOURCES)}\)"):
        source_type("Deezer")


def test_the_sandbox_needs_an_address_and_no_credentials() -> None:
    source = SourceUnderTest(SOURCES["Sandbox"], EXAMPLES["Sandbox"])
    with pytest.raises(ConfigurationError, match="give --base-url"):
        source.made(base_url=None)
    assert source.made(token_url=None).token_request().url == "https://api.example:8443/api/token"
    assert SOURCES["Sandbox"].default_credentials is not None


def test_a_real_api_needs_credentials() -> None:
    assert SOURCES["Spotify"].default_credentials is None
