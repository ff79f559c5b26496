"""`kubectl crawl logs`: the logs of all workers of a CrawlJob, each line behind the name of its pod.

With -f workers that come later are followed, too, which `kubectl logs -l` does not do, and a connection that is cut is
taken up after the last line seen. Each pod's lines keep their order; the pods' lines are not sorted among each other.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator, Mapping
from time import sleep
from typing import Any

from crawl_core.errors import ArtistcrawlError, UnavailableError
from crawl_core.text import clean, printable
from crawl_operator.plugin import jobs
from crawl_operator.plugin.follow import Follower, Scope, listed
from crawl_operator.plugin.output import remark, say
from crawl_operator.plugin.server import PluginClient, pods_path
from crawl_operator.values import names

_LONGEST_REASON = 600
_LONGEST_LINE = 65_536
"""Bytes of a line that are printed."""

_LOOK_S = 1.0
_PAUSE_S = 1.0
_ALWAYS_S = (5.0, 3600.0)
"""A worker may have nothing to say for long."""


def logs(server: PluginClient, arguments: argparse.Namespace) -> int:
    """Print the logs there are, or follow them."""
    jobs.crawljob(server, arguments.name)
    scope = Scope(pods_path(server.namespace), {"labelSelector": names.selector_text(arguments.name)})
    if arguments.follow:
        return _follow(server, scope, arguments)
    pods, _ = listed(server, scope)
    if not pods:
        name = arguments.name
        remark(f"{server.namespace}/{name} has no workers now; kubectl crawl status {name} says why")
    for _, pod in sorted(pods.items()):
        if nothing := without_log(pod, previous=arguments.previous):
            remark(f"{_name(pod)} {nothing}")
            continue
        for _, text in _lines(server, pod, _query(arguments)):
            say(f"{_name(pod)} {text}")
    return 0


def _follow(server: PluginClient, scope: Scope, arguments: argparse.Namespace) -> int:
    """Read each container of the workers in a thread of its own, as they come."""
    read: set[str] = set()
    unheard = threading.Event()
    first = _query(arguments)
    with Follower(server, scope) as follower:
        while True:
            picture = follower.next(_LOOK_S)
            for pod in picture.objects.values() if picture is not None else ():
                container = _container_id(pod)
                if container and container not in read:
                    read.add(container)
                    threading.Thread(target=_read, args=(server, pod, first, unheard), daemon=True).start()
            if picture is not None:
                # Of workers that come later nothing is left out.
                first = {}
            if unheard.is_set():
                raise BrokenPipeError


def _read(server: PluginClient, pod: Mapping[str, Any], query: Mapping[str, str], unheard: threading.Event) -> None:
    """Follow one container to its end."""
    container, last = _container_id(pod), ""
    while True:
        try:
            for moment, text in _lines(server, pod, {**query, "follow": "true"}):
                if moment > last:
                    last = moment
                    say(f"{_name(pod)} {text}")
            now = server.get(pods_path(server.namespace, _name(pod)))
            if _container_id(now) != container or not _runs(now):
                return
        except UnavailableError:
            sleep(_PAUSE_S)
        except BrokenPipeError:
            unheard.set()
            return
        except ArtistcrawlError:
            # The pod is gone, and its log with it.
            return
        if last:
            # In whole seconds; what was seen of that second is left out by its time.
            query = {"sinceTime": f"{last[:19]}Z"}


def _lines(server: PluginClient, pod: Mapping[str, Any], query: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A log's lines with their times, in the runtime's own digits, which sort."""
    path = f"{pods_path(server.namespace, _name(pod))}/log"
    asked = {"container": names.CONTAINER, "timestamps": "true", **query}
    for line in server.stream(path, asked, timeout_s=_ALWAYS_S):
        moment, text = timed(line[:_LONGEST_LINE].decode(errors="replace").rstrip("\r\n"))
        # A line end that only a terminal knows would begin a line without its pod's name.
        yield moment, printable(text).replace("\n", " ")


def timed(line: str) -> tuple[str, str]:
    """A line's time and text. What the runtime says itself, such as that a log is gone, has no time."""
    moment, _, text = line.partition(" ")
    return (moment, text) if moment[:4].isdecimal() and "T" in moment else ("", line)


def _query(arguments: argparse.Namespace) -> dict[str, str]:
    query = {} if arguments.tail is None else {"tailLines": str(arguments.tail)}
    if arguments.since is not None:
        query["sinceSeconds"] = str(max(1, round(arguments.since.seconds)))
    return {**query, **({"previous": "true"} if arguments.previous else {})}


def _worker(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return next((status for status in statuses if status["name"] == names.CONTAINER), {})


def _container_id(pod: Mapping[str, Any]) -> str:
    """Of the container that runs or ran last; empty before the first."""
    state = _worker(pod).get("state") or {}
    container_id: str = _worker(pod).get("containerID", "") if "waiting" not in state else ""
    return container_id


def _runs(pod: Mapping[str, Any]) -> bool:
    return "running" in (_worker(pod).get("state") or {})


def without_log(pod: Mapping[str, Any], *, previous: bool) -> str:
    """Why a pod has no log, or none of a container before this one; empty where it has."""
    if previous:
        return "" if _worker(pod).get("restartCount", 0) else "has not been restarted: there is no log before this one"
    waiting = _waiting(pod)
    return f"has no log yet: {waiting}" if waiting else ""


def _waiting(pod: Mapping[str, Any]) -> str:
    """Why a pod's container has not begun; empty where it has."""
    if _worker(pod).get("containerID"):
        return ""
    waiting = (_worker(pod).get("state") or {}).get("waiting") or {}
    conditions = (pod.get("status") or {}).get("conditions") or []
    unscheduled = next(
        (condition.get("message", "") for condition in conditions if condition.get("reason") == "Unschedulable"), ""
    )
    reason = f"{waiting.get('reason', '')} {waiting.get('message', '')}".strip()
    reason = clean(reason or unscheduled, _LONGEST_REASON)
    return reason or str((pod.get("status") or {}).get("phase", "Pending"))


def _name(pod: Mapping[str, Any]) -> str:
    name: str = pod["metadata"]["name"]
    return name
