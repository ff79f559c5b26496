"""The sandbox that a local run starts when its job names no address: limited as the job itself is.

It is used as anybody else would use it: a program with flags and a ready file.
"""

from __future__ import annotations

import json
from pathlib import Path

from crawl_core.clock import SYSTEM_CLOCK, Clock
from crawl_core.errors import ConfigurationError
from crawl_core.spec import CrawlJob
from crawl_worker.crew.logs import LogTail
from crawl_worker.machine.processes import Child, own_command

START_TIMEOUT_S = 60.0
"""Seconds a sandbox may take to load its catalogue."""

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
        self, job: CrawlJob, *, catalogue: Path | None, folder: Path, logs: Path, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._job = job
        self._clock = clock
        self._catalogue = None if catalogue is None else catalogue.expanduser().resolve()
        self._ready = folder / "sandbox.json"
        self._log = logs / "sandbox.log"
        self._tail = LogTail(self._log)
        self._port = 0
        self._deadline_s = 0.0
        self.child: Child | None = None
        self.url = ""

    def start(self) -> None:
        """Start it; `ready` says when it answers."""
        self._ready.unlink(missing_ok=True)
        self._deadline_s = self._clock.monotonic() + START_TIMEOUT_S
        arguments = sandbox_arguments(self._job, catalogue=self._catalogue, port=self._port, ready_file=self._ready)
        self.child = Child("sandbox", own_command("sandbox", *arguments), log=self._log, environment={})

    def ready(self) -> bool:
        """Whether it listens. Raises ConfigurationError where it does not start."""
        self._tail.read()
        self._tail.bound()
        if self.url and self._ready.exists():
            return True
        try:
            self.url = str(json.loads(self._ready.read_text())["url"])
        except (OSError, ValueError, KeyError):
            self._check_starting()
            return False
        self._port = int(self.url.rpartition(":")[2])
        return True

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.child is not None and self.child.alive

    def stop(self) -> None:
        """End it. It holds nothing that is needed again."""
        if self.child is not None:
            self.child.kill()
        self._ready.unlink(missing_ok=True)

    def _check_starting(self) -> None:
        if not self.alive:
            raise ConfigurationError(f"the sandbox does not start: {self._tail.last_message or 'no reason given'}")
        if self._clock.monotonic() > self._deadline_s:
            raise ConfigurationError(f"the sandbox did not start within {START_TIMEOUT_S:.0f} s; see {self._log}")
