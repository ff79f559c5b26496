"""The sandbox that a local run starts when its job names no address: limited as the job itself is.

It is used as anybody else would use it: a program with flags and a ready file. While it lives and loads its catalogue
it is waited for, however long that takes; where it dies another one is started.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from crawl_core.errors import ConfigurationError
from crawl_core.spec import CrawlJob
from crawl_worker.crew.backoff import Backoff
from crawl_worker.crew.deaths import how_it_ended, is_refusal, when
from crawl_worker.crew.logs import LogTail
from crawl_worker.machine.processes import Child, own_command

MOST_STARTS = 6
"""Sandboxes in a row that die before they listen. A run's first one must listen some time, or nobody would be told."""

MOST_REFUSALS = 3
"""Of a sandbox that has listened before: in a row, since its port may be taken for a moment."""

_SMALL_PAGE = 10
"""The largest page of an app in development mode; larger ones need extended quota."""


def sandbox_arguments(job: CrawlJob, *, catalogue: Path | None, port: int, ready_file: Path) -> list[str]:
    """The sandbox's command line, so that it enforces what the job promises to keep."""
    limit = job.spec.rate_limit
    mode = "extended" if job.spec.source.page_size > _SMALL_PAGE else "development"
    arguments = ["--port", str(port), "--ready-file", str(ready_file), "--mode", mode]
    arguments += ["--limit", f"{limit.requests}/{limit.window}", "--limit-by", "client"]
    return arguments + (["--catalogue", str(catalogue)] if catalogue is not None else [])


class SandboxProcess:
    """The sandbox of one run. It starts again on the same port when it died."""

    def __init__(
        self, job: CrawlJob, *, catalogue: Path | None, folder: Path, logs: Path, event: Callable[[str], None]
    ) -> None:
        self._job = job
        self._catalogue = None if catalogue is None else catalogue.expanduser().resolve()
        self._ready_file = folder / "sandbox.json"
        self._log = logs / "sandbox.log"
        self._tail = LogTail(self._log)
        self._event = event
        self._port = 0
        self._backoff = Backoff()
        self._started_s = self._not_before_s = 0.0
        self._deaths = self._refusals = 0
        """Since it listened last."""
        self.child: Child | None = None
        self.url = ""

    @property
    def waited_for(self) -> str:
        """What happens while it starts."""
        artists = "its artists" if self._catalogue is None else str(self._catalogue)
        return f"the sandbox to load {artists}"

    def tick(self, now_s: float) -> bool:
        """Start it where it is missing and may start; True where it lives and listens.

        `now_s` is of any one monotonic clock. Raises ConfigurationError where it cannot work, or dies again and again
        before it ever listened.
        """
        self._tail.read()
        self._tail.bound()
        if self.child is not None and not self.child.alive:
            self._bury(self.child, now_s)
        if self.child is None and now_s >= self._not_before_s:
            self._start(now_s)
        return self.child is not None and self._listens()

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.child is not None and self.child.alive

    def stop(self) -> None:
        """End it. It holds nothing that is needed again."""
        if self.child is not None:
            self.child.kill()
        self._ready_file.unlink(missing_ok=True)

    def _start(self, now_s: float) -> None:
        self._ready_file.unlink(missing_ok=True)
        self._tail.last_message = ""
        self._started_s = now_s
        arguments = sandbox_arguments(
            self._job, catalogue=self._catalogue, port=self._port, ready_file=self._ready_file
        )
        self.child = Child("sandbox", own_command("sandbox", *arguments), log=self._log, environment={})

    def _listens(self) -> bool:
        try:
            url = str(json.loads(self._ready_file.read_text())["url"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        self.url, self._port = url, int(url.rpartition(":")[2])
        self._deaths = self._refusals = 0
        return True

    def _bury(self, child: Child, now_s: float) -> None:
        self._tail.read()
        status, self.child = child.exit_status, None
        self._deaths += 1
        self._refusals = self._refusals + 1 if is_refusal(status) else 0
        end = how_it_ended(status, last_words=self._tail.last_message)
        if self._refusals and (not self.url or self._refusals >= MOST_REFUSALS):
            raise ConfigurationError(f"the sandbox does not start: {self._tail.last_message or end}")
        if not self.url and self._deaths >= MOST_STARTS:
            raise ConfigurationError(f"the sandbox does not start: it {end}, {self._deaths} times (log: {self._log})")
        delay_s = self._backoff.after(now_s - self._started_s)
        self._not_before_s = now_s + delay_s
        self._event(f"the sandbox {end}; a new one starts {when(delay_s)} (log: {self._log})")
