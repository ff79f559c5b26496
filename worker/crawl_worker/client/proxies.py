"""Which proxy a request goes through: none, unless the CrawlJob says `proxy: FromEnvironment`.

The variables are read here once, and not by aiohttp at each request: with its `trust_env` it also looks into ~/.netrc,
and an entry there makes every request with a token an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.request import (  # type: ignore[attr-defined]  # typeshed lacks both
    getproxies_environment,
    proxy_bypass_environment,
)

from yarl import URL

from crawl_core.errors import ConfigurationError

_VARIABLES = {"http": "HTTP_PROXY", "https": "HTTPS_PROXY"}


class Proxies:
    """What the environment says of proxies, used or only known. Raises ConfigurationError for one that cannot be."""

    def __init__(self, *, used: bool, found: Mapping[str, str] | None = None) -> None:
        """`found` is {scheme: address}, with `no` for the exceptions; by default the environment's."""
        self._used = used
        self._found = getproxies_environment() if found is None else dict(found)
        self._of: dict[str, URL | None] = {}
        if used:
            for scheme in _VARIABLES:
                self._proxy(scheme)

    def of(self, url: URL) -> URL | None:
        """The proxy for an address, with its login; None where the request goes there directly."""
        if not self._used:
            return None
        origin = str(url.origin())
        if origin not in self._of:
            self._of[origin] = None if self._excepted(url) else self._proxy(url.scheme)
        return self._of[origin]

    def hint(self, url: URL) -> str:
        """What to write where an address cannot be reached; empty where proxies have nothing to do with it."""
        variable = _VARIABLES.get(url.scheme, "HTTPS_PROXY")
        set_here = bool(self._address(url.scheme)) and not self._excepted(url)
        if set_here and not self._used:
            return f"; {variable} is set and not used: write proxy: FromEnvironment under spec.source to use it"
        if self._used and not self._address(url.scheme):
            return f"; spec.source.proxy is FromEnvironment, and {variable} is not set: set it where the workers run"
        return ""

    def _address(self, scheme: str) -> str:
        return self._found.get(scheme) or self._found.get("all") or ""

    def _excepted(self, url: URL) -> bool:
        return bool(proxy_bypass_environment(f"{url.host}:{url.port}", self._found))

    def _proxy(self, scheme: str) -> URL | None:
        address = self._address(scheme)
        if not address:
            return None
        try:
            url = URL(address if "://" in address else f"http://{address}")
            usable = url.scheme == "http" and bool(url.host) and url.port is not None
        except ValueError:
            usable = False
        if not usable:
            # Not the address: it may hold a password.
            raise ConfigurationError(
                f"{_VARIABLES[scheme]} names no proxy that can be used: write http://HOST:PORT, "
                "or http://USER:PASSWORD@HOST:PORT (also for an API that is reached by https)"
            )
        return url
