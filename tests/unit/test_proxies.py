"""Which proxy a request goes through, as the environment says and where the CrawlJob says so."""

from __future__ import annotations

import pytest
from yarl import URL

from crawl_core.errors import ConfigurationError
from crawl_worker.client.proxies import Proxies

API = URL("https://api.example/v1/search")
PLAIN = URL("http://api.example:8080/v1/search")


def proxy_of(url: URL, **found: str) -> str:
    return str(Proxies(used=True, found=found).of(url) or "")


def test_each_scheme_has_its_own_and_all_stands_for_both() -> None:
    assert proxy_of(API, https="http://a:1", http="http://b:2") == "http://a:1"
    assert proxy_of(PLAIN, https="http://a:1", http="http://b:2") == "http://b:2"
    assert (proxy_of(API, all="http://c:3"), proxy_of(API, http="http://b:2"), proxy_of(API)) == ("http://c:3", "", "")


def test_an_address_without_a_scheme_is_one() -> None:
    assert proxy_of(API, https="proxy.example:3128") == "http://proxy.example:3128"


@pytest.mark.parametrize("no", ["api.example", ".example", "x, api.example:443", "*"])
def test_what_no_proxy_names_is_reached_directly(no: str) -> None:
    assert proxy_of(API, https="http://a:1", no=no) == ""


@pytest.mark.parametrize("no", ["", "api.example:8080", "pi.example", "other.example"])
def test_what_no_proxy_does_not_name_is_not(no: str) -> None:
    assert proxy_of(API, https="http://a:1", no=no) == "http://a:1"


@pytest.mark.parametrize("address", ["https://hush@a:1", "socks5://hush@a:1", "http://:hush@/", "http://a:hush", "//"])
def test_one_that_cannot_be_used_is_told_at_the_start_without_its_password(address: str) -> None:
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY names no proxy that can be used: write http") as failure:
        Proxies(used=True, found={"https": address})
    assert "hush" not in str(failure.value)


def test_none_that_cannot_be_used_matters_where_none_is_used() -> None:
    assert Proxies(used=False, found={"https": "socks5://a:1"}).of(API) is None


def test_the_environment_is_read_where_nothing_else_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://a:1")
    assert Proxies(used=True).of(API) == URL("http://a:1")


def test_a_failure_says_what_to_write() -> None:
    found = {"https": "http://a:1"}
    assert "HTTPS_PROXY is set and not used" in Proxies(used=False, found=found).hint(API)
    assert Proxies(used=False, found=found).hint(PLAIN) == ""
    assert Proxies(used=False, found=found | {"no": "api.example"}).hint(API) == ""
    assert Proxies(used=False, found={}).hint(API) == ""
    assert Proxies(used=True, found=found).hint(API) == ""
    assert "HTTPS_PROXY is not set" in Proxies(used=True, found={}).hint(API)
