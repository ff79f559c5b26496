"""/metrics: the text of now, compressed where the client takes that, on a port that can be had."""

from __future__ import annotations

import asyncio
import gzip
import threading

import aiohttp
import pytest
from multidict import CIMultiDictProxy

from crawl_core.errors import ConfigurationError
from crawl_core.metrics.exposition import CONTENT_TYPE
from crawl_core.serving.metrics import serving_metrics

TEXT = b"# HELP artistcrawl_job_info Always 1.\n" * 100


async def scraped(port: int | None, *, accept: str = "identity") -> tuple[bytes, CIMultiDictProxy[str]]:
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.get(f"http://127.0.0.1:{port}/metrics", headers={"Accept-Encoding": accept}) as answer,
    ):
        assert answer.status == 200
        return await answer.read(), answer.headers


async def test_a_scrape_is_answered_in_the_text_format() -> None:
    async with serving_metrics(0, lambda: TEXT) as port:
        body, headers = await scraped(port)
    assert (body, headers["Content-Type"]) == (TEXT, CONTENT_TYPE)


async def test_a_client_that_takes_gzip_gets_it() -> None:
    async with serving_metrics(0, lambda: TEXT) as port:
        body, headers = await scraped(port, accept="gzip")
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == TEXT
    assert len(body) < len(TEXT) / 10


async def test_each_scrape_is_told_what_is_now() -> None:
    texts = iter([b"first\n", b"second\n"])
    async with serving_metrics(0, lambda: next(texts)) as port:
        assert [(await scraped(port))[0], (await scraped(port))[0]] == [b"first\n", b"second\n"]


async def test_a_text_that_takes_long_stops_nothing_else() -> None:
    going_on = threading.Event()

    def slow() -> bytes:
        # Ends only when the event loop goes on meanwhile.
        return b"slow\n" if going_on.wait(10) else b"the event loop stood still\n"

    async with serving_metrics(0, slow, in_thread=True) as port:
        asking = asyncio.create_task(scraped(port))
        asyncio.get_running_loop().call_later(0.05, going_on.set)
        assert (await asking)[0] == b"slow\n"


async def test_a_taken_port_says_what_to_give_instead() -> None:
    async with serving_metrics(0, lambda: TEXT) as port:
        with pytest.raises(ConfigurationError, match=rf"port {port} .*in use.*--metrics-port PORT.*-1 for none"):
            async with serving_metrics(port, lambda: TEXT):
                pass


async def test_without_a_port_nobody_listens() -> None:
    async with serving_metrics(None, lambda: TEXT) as port:
        assert port is None


async def test_an_error_of_who_serves_is_not_taken_for_one_of_the_port() -> None:
    with pytest.raises(OSError, match="disk"):
        async with serving_metrics(0, lambda: TEXT):
            raise OSError("disk")
