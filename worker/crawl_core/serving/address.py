"""Where metrics are to be served, as a person writes it: PORT, or HOST:PORT, or -1 for nowhere. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from crawl_core.errors import ConfigurationError

VARIABLE = "ARTISTCRAWL_METRICS_PORT"
_LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class MetricsAddress:
    """A port, and the addresses of this machine that it is open on."""

    port: int | None = None
    """None: nowhere. 0: any."""
    host: str | None = None
    """None: all of them."""


NOWHERE = MetricsAddress()


def parse_metrics_address(text: str | None, *, host: str | None = None) -> MetricsAddress:
    """Read it; `host` is what a port alone stands for. Raises ConfigurationError with what to write instead."""
    if not text or text == "-1":
        return NOWHERE
    address, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > _LAST_PORT:
        raise ConfigurationError(
            f"--metrics-port {text!r}: write PORT or HOST:PORT with a number from 0 (any) to {_LAST_PORT}; -1 for none"
        )
    return MetricsAddress(int(port), address.strip("[]") or host)
