"""The address at which a machine reaches itself, and nobody else does: IPv4's, or IPv6's where that is all there is."""

from __future__ import annotations

import socket
from functools import cache

from crawl_core.errors import ConfigurationError

_ADDRESSES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))

_CONNECT_TIMEOUT_S = 2.0


@cache
def loopback() -> str:
    """The first one that can be listened on, and reached. Raises ConfigurationError where there is none."""
    for family, host in _ADDRESSES:
        try:
            with socket.socket(family) as listener, socket.socket(family) as probe:
                listener.bind((host, 0))
                listener.listen(1)
                # While the interface is down an address can be bound all the same.
                probe.settimeout(_CONNECT_TIMEOUT_S)
                probe.connect(listener.getsockname())
        except OSError:
            continue
        return host
    raise ConfigurationError("this machine has no loopback address: bring its interface up (ip link set lo up)")


def at(host: str, port: int) -> str:
    """HOST:PORT as a URL has it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
