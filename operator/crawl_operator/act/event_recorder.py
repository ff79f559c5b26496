"""Writes Events on the CrawlJob: what `kubectl describe` shows. A repeated one is counted, not written again.

They are for people, so an Event that cannot be written is logged and forgotten: it never fails a round.
"""

from __future__ import annotations

import logging
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from crawl_core.clock import Clock
from crawl_core.logs import fields
from crawl_core.spec import API_VERSION, KIND
from crawl_core.text import clean
from crawl_operator.kube.api import ApiError, MissingError
from crawl_operator.kube.cluster import Cluster
from crawl_operator.values import names
from crawl_operator.values.model import CrawlJobView, Event

log = logging.getLogger(__name__)

REMEMBERED = 4_096
"""Events that may be counted further; the ones not written for longest are made anew."""
MESSAGE_CHARACTERS = 1_024
"""What the API server takes."""


@dataclass(slots=True)
class _Written:
    name: str
    count: int


class EventRecorder:
    """Writes Events, and remembers which it wrote."""

    def __init__(self, cluster: Cluster, clock: Clock, *, instance: str = "") -> None:
        self._cluster = cluster
        self._clock = clock
        self._instance = instance
        self._written: OrderedDict[tuple[str, str, str], _Written] = OrderedDict()

    async def record(self, crawljob: CrawlJobView, event: Event) -> None:
        """Record a note, or count it once more where its reason was noted before."""
        extra = fields("crawljob.noted", crawljob=str(crawljob.key), reason=event.reason)
        log.log(logging.WARNING if event.type == "Warning" else logging.INFO, "%s", event.message, extra=extra)
        try:
            await self._write(crawljob, event)
        except ApiError as error:
            log.warning("an Event cannot be written: %s", error, extra=fields("event.failed", reason=event.reason))

    async def _write(self, crawljob: CrawlJobView, event: Event) -> None:
        key = (crawljob.uid, event.type, event.reason)
        written = self._written.get(key)
        if written is not None:
            changes = {
                "count": written.count + 1,
                "lastTimestamp": self._now(),
                "message": clean(event.message, MESSAGE_CHARACTERS),
            }
            try:
                await self._cluster.patch_event(crawljob.key.namespace, written.name, changes)
            except MissingError:
                del self._written[key]  # the API server keeps Events for an hour
            else:
                written.count += 1
                self._written.move_to_end(key)
                return
        manifest = self._manifest(crawljob, event)
        await self._cluster.create_event(crawljob.key.namespace, manifest)
        self._written[key] = _Written(manifest["metadata"]["name"], 1)
        while len(self._written) > REMEMBERED:
            self._written.popitem(last=False)

    def _manifest(self, crawljob: CrawlJobView, event: Event) -> dict[str, Any]:
        now = self._now()
        return {
            "apiVersion": "v1",
            "kind": "Event",
            # A name of 253 characters at most: a CrawlJob's has up to 63.
            "metadata": {"name": f"{crawljob.key.name}.{uuid.uuid4().hex[:16]}", "namespace": crawljob.key.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "namespace": crawljob.key.namespace,
                "name": crawljob.key.name,
                "uid": crawljob.uid,
                "resourceVersion": crawljob.resource_version,
            },
            "type": event.type,
            "reason": event.reason,
            "message": clean(event.message, MESSAGE_CHARACTERS),
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": names.FIELD_MANAGER},
            "reportingComponent": names.FIELD_MANAGER,
            "reportingInstance": self._instance,
        }

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
