"""Faults as a client sees them: connections cut, silent, or answers in half."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.processes.sandbox_process import SandboxProcess, sandbox


@pytest.fixture(scope="module")
def shared() -> Iterator[SandboxProcess]:
    with sandbox(size=200) as api:
        yield api


@pytest.fixture
def api(shared: SandboxProcess) -> SandboxProcess:
    shared.control(faults=None)
    shared.control(clear=True)
    return shared


def plan(action: dict[str, Any]) -> dict[str, Any]:
    return {"rules": [{"match": {"first_n": 1}, "action": action}]}


async def raw_request(api: SandboxProcess, *, timeout_s: float = 20.0) -> bytes:
    """Whatever comes back on a connection of its own, until it ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    token = api.token()
    lines = [
        "GET /v1/search?type=artist&q=a HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {token}",
        "Connection: close",
    ]
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode())
        return await asyncio.wait_for(reader.read(), timeout_s)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_a_connection_is_reset(api: SandboxProcess) -> None:
    api.control(faults=plan({"reset": True}))
    with pytest.raises(ConnectionResetError):
        await raw_request(api)
    assert [request["status"] for request in api.requests()] == [0]


async def test_a_connection_is_closed_after_the_request_was_read(api: SandboxProcess) -> None:
    api.control(faults=plan({"close_after_read": True}))
    assert await raw_request(api) == b""
    assert [request["status"] for request in api.requests()] == [0]


async def test_a_request_is_never_answered(api: SandboxProcess) -> None:
    api.control(faults=plan({"drop": True}))
    with pytest.raises(TimeoutError):
        await raw_request(api, timeout_s=0.3)
    assert [request["status"] for request in api.requests()] == [0]
    assert (await raw_request(api)).startswith(b"HTTP/1.1 200")


async def test_an_answer_is_cut_in_the_middle(api: SandboxProcess) -> None:
    whole = await raw_request(api)
    api.control(faults=plan({"body": "cut"}))
    cut = await raw_request(api)
    head, _, body = whole.partition(b"\r\n\r\n")
    assert cut == head + b"\r\n\r\n" + body[: len(body) // 2]


async def test_an_answer_stalls_before_it_begins(api: SandboxProcess) -> None:
    api.control(faults=plan({"stall_s": 30}))
    with pytest.raises(TimeoutError):
        await raw_request(api, timeout_s=0.3)
    assert [request["status"] for request in api.requests()] == [200]


async def test_an_answer_stalls_in_the_middle_and_goes_on(api: SandboxProcess) -> None:
    whole = await raw_request(api)
    api.control(faults=plan({"stall_s": 0.2, "stall_at": "inside"}))
    before_s = asyncio.get_running_loop().time()
    assert await raw_request(api) == whole
    assert asyncio.get_running_loop().time() - before_s >= 0.2


@pytest.mark.parametrize(
    ("action", "status", "retry_after", "body"),
    [
        ({"status": 429, "retry_after": "86400", "body": "text"}, 429, "86400", b"API rate limit exceeded"),
        ({"status": 429, "retry_after": "missing", "body": "empty"}, 429, None, b""),
        ({"status": 502, "body": "text", "message": "Bad gateway."}, 502, None, b"Bad gateway."),
        ({"body": "empty"}, 200, None, b""),
    ],
)
def test_a_body_and_retry_after_are_what_the_plan_says(
    api: SandboxProcess, action: dict[str, Any], status: int, retry_after: str | None, body: bytes
) -> None:
    api.control(faults=plan(action))
    answer = api.get("/v1/search", token=api.token(), q="a", type="artist")
    assert (answer[0], answer[1].get("retry-after"), answer[2]) == (status, retry_after, body)


def test_all_tokens_can_expire_at_a_request(api: SandboxProcess) -> None:
    api.control(faults=plan({"expire_tokens": True}))
    tokens = api.token(), api.token()
    assert [api.search("a", token=token)[0] for token in tokens] == [401, 401]
    assert api.search("a", token=api.token())[0] == 200


def test_the_token_endpoint_can_fail(api: SandboxProcess) -> None:
    api.control(faults={"rules": [{"match": {"path": "token", "first_n": 1}, "action": {"status": 503}}]})
    with pytest.raises(AssertionError, match="503"):
        api.token()
    assert api.token()


def test_a_struck_request_has_taken_its_place_in_the_window(api: SandboxProcess) -> None:
    token = api.token("struck")
    api.control(limit="1/20s", faults=plan({"status": 500}))
    assert [api.search("a", token=token)[0] for _ in range(2)] == [500, 429]
    api.control(limit="none")


def test_odd_names_arrive_as_escapes() -> None:
    with sandbox(size=300, odd_names=0.5) as api:
        _, _, body = api.get("/v1/search", token=api.token(), q="the", type="artist", limit=50)
    names = [item["name"] for item in json.loads(body)["artists"]["items"]]
    assert b"\\u0000" in body
    assert b"\\ud800" in body
    assert 0 < sum(name[-1] in "\u0000\ud800\udfff" for name in names) < len(names)
