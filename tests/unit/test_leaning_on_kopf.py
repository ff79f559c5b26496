"""What kopf does by itself, and what we switch off of it, on the real kopf before an API server written by hand."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import kopf
import pytest
from aiohttp import web
from kubernetes.config import kube_config

from crawl_operator.values import names
from crawl_operator.watch.handlers import _no_error, _NoMemory, kopf_settings, registry_of
from crawl_operator.watch.store import Store

SERVED = {
    "/api/v1": ["namespaces", "events"],
    f"/apis/{names.GROUP}/{names.VERSION}": [names.PLURAL],
    "/apis/apps/v1": ["deployments"],
    "/apis/apiextensions.k8s.io/v1": ["customresourcedefinitions"],
}
JOB = {
    "apiVersion": f"{names.GROUP}/{names.VERSION}",
    "kind": "CrawlJob",
    "metadata": {"name": "nightly", "namespace": "music", "uid": "u-1", "resourceVersion": "1", "annotations": {}},
    "spec": {},
}


class ApiServer:
    """Discovery, one CrawlJob in its list, and its deletion in the watch. It counts what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.failures = 0
        self.deleted = asyncio.Event()
        self.ended = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path))
        if request.path.endswith(names.PLURAL) and self.failures:
            self.failures -= 1
            return web.Response(status=500, text="{}", content_type="application/json")
        if request.query.get("watch"):
            return await self._watch(request)
        return web.json_response(self._body(request.path))

    def _body(self, path: str) -> dict[str, Any]:
        match path:
            case "/api":
                return {"versions": ["v1"]}
            case "/apis":
                groups = [tuple(served.split("/")[2:]) for served in SERVED if served.startswith("/apis")]
                return {
                    "groups": [
                        {"name": name, "preferredVersion": {"version": of}, "versions": [{"version": of}]}
                        for name, of in groups
                    ]
                }
            case _ if path in SERVED:
                verbs = ["list", "watch", "patch"]
                return {
                    "resources": [
                        {"name": plural, "singularName": plural, "kind": plural, "verbs": verbs, "namespaced": True}
                        for plural in SERVED[path]
                    ]
                }
            case _:
                items: list[Any] = [JOB] if path.endswith(names.PLURAL) else []
                if path.endswith("/namespaces"):
                    items = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "music", "uid": "n"}}]
                return {"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items}

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        if request.path.endswith(names.PLURAL):
            await self.deleted.wait()
            with suppress(ConnectionError):
                await response.write(json.dumps({"type": "DELETED", "object": JOB}).encode() + b"\n")
        await self.ended.wait()
        return response


@pytest.fixture
async def api(tmp_path: Path, monkeypatch) -> AsyncIterator[ApiServer]:
    server = ApiServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "{apiVersion: v1, kind: Config, current-context: c, users: [{name: u, user: {token: t}}],"
        " contexts: [{name: c, context: {cluster: c, user: u}}],"
        f" clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{runner.addresses[0][1]}'}}}}]}}"
    )
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    yield server
    server.deleted.set()
    server.ended.set()
    await runner.cleanup()


class Watching:
    """kopf as the operator runs it."""

    def __init__(self, settings: kopf.OperatorSettings) -> None:
        self.settings = settings
        self.seen: list[str] = []
        self.relisted = 0
        self.changed = asyncio.Event()

    def put(self, kind: str, raw: Any) -> None:
        self._note(f"put {kind} {raw['metadata']['name']}")

    def remove(self, kind: str, raw: Any) -> None:
        self._note(f"remove {kind} {raw['metadata']['name']}")

    def _note(self, what: str) -> None:
        self.seen.append(what)
        self.changed.set()

    def relist(self) -> None:
        self.relisted += 1

    async def until(self, *, seen: int) -> None:
        async with asyncio.timeout(60):
            while len(self.seen) < seen:
                self.changed.clear()
                await self.changed.wait()

    async def __aenter__(self) -> Watching:
        store: Store = self  # type: ignore[assignment]
        self.stop = asyncio.Event()
        self.roots = await kopf.spawn_tasks(
            registry=registry_of(store, relisted=self.relist),
            settings=self.settings,
            identity="test",  # type: ignore[arg-type]
            standalone=True,
            clusterwide=False,
            namespaces=["music"],
            stop_flag=self.stop,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        async with asyncio.timeout(60):
            # The API server's are not kopf's to end.
            await kopf.run_tasks(self.roots, ignored=asyncio.all_tasks())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)


async def test_kopf_brings_a_list_as_events_without_a_type_then_the_watch_and_writes_nothing(api: ApiServer) -> None:
    async with Watching(kopf_settings()) as watching:
        await watching.until(seen=1)
        assert (watching.seen, watching.relisted) == (["put crawljobs nightly"], 1)
        api.deleted.set()
        await watching.until(seen=2)
    assert watching.seen[1:] == ["remove crawljobs nightly"]
    assert {method for method, _ in api.asked} == {"GET"}


async def test_kopf_asks_our_storage_what_an_object_was_and_copies_none(api: ApiServer) -> None:
    calls: list[str] = []

    class Spy(_NoMemory):
        def fetch(self, **words: Any) -> None:
            calls.append("fetch")
            return super().fetch(**words)

        def build(self, **words: Any) -> Any:
            calls.append("build")
            return super().build(**words)

    settings = kopf_settings()
    assert type(settings.persistence.diffbase_storage) is _NoMemory
    settings.persistence.diffbase_storage = Spy()
    async with Watching(settings) as watching:
        await watching.until(seen=1)
    assert set(calls) == {"fetch", "build"}


async def test_kopf_asks_for_namespaces_and_crds_unless_scanning_is_off(api: ApiServer) -> None:
    for disabled in (False, True):
        api.asked.clear()
        settings = kopf_settings()
        settings.scanning.disabled = disabled
        async with Watching(settings) as watching:
            await watching.until(seen=1)
        scans = {path for _, path in api.asked if path.endswith(("/namespaces", "/customresourcedefinitions"))}
        assert (scans == set()) is disabled


async def test_kopf_puts_its_own_signal_handlers_in_the_place_of_ours(api: ApiServer) -> None:
    """So that ours are put back: else SIGTERM ends the watches first, and the lease last."""
    heard: list[str] = []
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, heard.append, "ours")
    async with Watching(kopf_settings()) as watching:
        await watching.until(seen=1)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait(watching.roots, return_when=asyncio.FIRST_COMPLETED, timeout=60)
        assert any(task.done() for task in watching.roots)
    assert heard == []


@pytest.fixture
def kopf_records() -> Iterator[list[logging.LogRecord]]:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign, assignment]
    logger = logging.getLogger("kopf")
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


async def test_kopf_says_of_a_request_that_is_tried_again_what_our_filter_looks_for(
    api: ApiServer, kopf_records: list[logging.LogRecord]
) -> None:
    api.failures = 1
    settings = kopf_settings()
    settings.networking.error_backoffs = [0.01]
    async with Watching(settings) as watching:
        await watching.until(seen=1)
    (said,) = [record for record in kopf_records if "will retry" in record.getMessage()]
    assert said.levelno == logging.ERROR
    assert _no_error(said)
    assert said.levelno == logging.WARNING


def test_kopf_has_every_setting_that_is_set() -> None:
    """A dataclass takes an attribute that it does not know, and what was switched off would be on."""
    ours = kopf_settings()
    for group in dataclasses.fields(ours):
        known = {field.name for field in dataclasses.fields(getattr(ours, group.name))}
        assert set(vars(getattr(ours, group.name))) <= known
    assert set(vars(ours)) <= {group.name for group in dataclasses.fields(ours)}
