"""Objects of the API server as they change: list once, then watch from there, through every cut.

A watch that ends is taken up at the version it came to; one whose version is forgotten (410) begins with a new list.
Only a first list that fails ends it: then there is nothing to show.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from crawl_core.errors import ArtistcrawlError, UnavailableError
from crawl_operator.plugin.server import PluginClient, WatchExpiredError

Objects = Mapping[tuple[str, str], Mapping[str, Any]]

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0


@dataclass(frozen=True, slots=True)
class Scope:
    """What is followed: the objects at a path, by a selector of theirs."""

    path: str
    selectors: Mapping[str, str] = field(default_factory=dict)
    """fieldSelector and labelSelector, as the API takes them."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The objects by namespace and name, as last heard of."""

    objects: Objects
    trouble: str = ""
    """Why they may be out of date."""


def listed(server: PluginClient, scope: Scope) -> tuple[dict[tuple[str, str], Mapping[str, Any]], str]:
    """All objects now, and the version at which they were."""
    answer = server.get(scope.path, scope.selectors)
    kind = {"apiVersion": answer["apiVersion"], "kind": answer["kind"].removesuffix("List")}
    objects: dict[tuple[str, str], Mapping[str, Any]] = {_key(item): {**kind, **item} for item in answer["items"]}
    return objects, answer["metadata"]["resourceVersion"]


def pictures(server: PluginClient, scope: Scope, *, ended: threading.Event) -> Iterator[Picture]:
    """A picture now, and one after each change or trouble."""
    objects, version = listed(server, scope)
    yield Picture(dict(objects))
    pause_s = _FIRST_PAUSE_S
    while not ended.is_set():
        try:
            if version == "":
                objects, version = listed(server, scope)
                yield Picture(dict(objects))
            for event in server.watch(scope.path, scope.selectors, version=version):
                version, pause_s = event["object"]["metadata"]["resourceVersion"], _FIRST_PAUSE_S
                if _heard(objects, event):
                    yield Picture(dict(objects))
        except WatchExpiredError:
            version = ""
        except UnavailableError as error:
            yield Picture(dict(objects), trouble=str(error))
            ended.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _heard(objects: dict[tuple[str, str], Mapping[str, Any]], event: Mapping[str, Any]) -> bool:
    """Note an event. Tells whether anything changed."""
    item = event["object"]
    match event["type"]:
        case "ADDED" | "MODIFIED":
            objects[_key(item)] = item
        case "DELETED":
            objects.pop(_key(item), None)
        case _:
            return False
    return True


def _key(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


class Follower:
    """Follows in a thread of its own, so that whoever looks can redraw and wait with a limit."""

    def __init__(self, server: PluginClient, scope: Scope) -> None:
        self._server = server
        self._scope = scope
        self._ended = threading.Event()
        self._heard: queue.Queue[Picture | ArtistcrawlError] = queue.Queue()
        threading.Thread(target=self._follow, name="follow", daemon=True).start()

    def next(self, timeout_s: float) -> Picture | None:
        """The newest picture; None where there is none within the time. Raises what ended the following."""
        try:
            latest = self._heard.get(timeout=max(0.0, timeout_s))
            while not isinstance(latest, ArtistcrawlError) and not self._heard.empty():
                latest = self._heard.get_nowait()
        except queue.Empty:
            return None
        if isinstance(latest, ArtistcrawlError):
            raise latest
        return latest

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *_: object) -> None:
        # The thread may sit in a read; it is a daemon, and nobody waits for it.
        self._ended.set()

    def _follow(self) -> None:
        try:
            for picture in pictures(self._server, self._scope, ended=self._ended):
                self._heard.put(picture)
                if self._ended.is_set():
                    return
        except ArtistcrawlError as error:
            self._heard.put(error)
