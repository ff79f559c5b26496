"""Where metrics are to be served, as a person writes it."""

from __future__ import annotations

import pytest

from crawl_core.errors import ConfigurationError
from crawl_core.serving.address import NOWHERE, MetricsAddress, parse_metrics_address


@pytest.mark.parametrize("text", [None, "", "-1"])
def test_without_a_port_nothing_is_served(text: str | None) -> None:
    assert parse_metrics_address(text) == NOWHERE


def test_a_port_alone_is_on_the_host_that_the_command_chose() -> None:
    assert parse_metrics_address("9464", host="127.0.0.1") == MetricsAddress(9464, "127.0.0.1")


@pytest.mark.parametrize(("text", "host"), [("0.0.0.0:9464", "0.0.0.0"), ("[::1]:9464", "::1")])
def test_a_host_that_is_written_wins(text: str, host: str) -> None:
    assert parse_metrics_address(text, host="127.0.0.1") == MetricsAddress(9464, host)


@pytest.mark.parametrize("text", ["web", "70000", "-2", "localhost:", "1.5"])
def test_what_is_no_port_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ConfigurationError, match="write PORT or HOST:PORT with a number from 0"):
        parse_metrics_address(text)
