"""The probes: two addresses, each with a status and the reason."""

from __future__ import annotations

import aiohttp
import pytest

from crawl_core.serving.probes import Readiness, serving


async def asked(port: int | None, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def test_a_process_that_answers_is_alive() -> None:
    async with serving(0) as port:
        assert await asked(port, "/healthz") == (200, "ok\n")


async def test_what_a_process_lacks_is_said_until_it_is_ready() -> None:
    readiness = Readiness("waiting for the ledger")
    async with serving(0, readyz=readiness) as port:
        before = await asked(port, "/readyz")
        readiness.lacks = None
        assert (before, await asked(port, "/readyz")) == ((503, "waiting for the ledger\n"), (200, "ok\n"))


async def test_a_process_that_is_not_ready_is_alive() -> None:
    async with serving(0, readyz=Readiness()) as port:
        assert (await asked(port, "/healthz"))[0] == 200


async def test_a_stuck_part_is_named() -> None:
    async with serving(0, healthz=lambda: "rounds: no turn for 61 s") as port:
        assert await asked(port, "/healthz") == (503, "rounds: no turn for 61 s\n")


async def test_without_a_port_nobody_listens() -> None:
    async with serving(None) as port:
        assert port is None


async def test_a_taken_port_is_an_error() -> None:
    async with serving(0) as port:
        with pytest.raises(OSError, match="address already in use"):
            async with serving(port):
                pass
