"""Starts again what has died of a run's own servers, at the same address; its workers are the crew's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

import psycopg

from crawl_core.clock import SYSTEM_CLOCK, Clock
from crawl_core.errors import ConfigurationError, LedgerUnavailableError, RedisUnavailableError
from crawl_worker.crew.blocking import in_thread
from crawl_worker.crew.sandbox import SandboxProcess
from crawl_worker.data.backends import Urls
from crawl_worker.data.data_folder import DataFolder
from crawl_worker.embedded import EmbeddedPostgres, EmbeddedValkey
from crawl_worker.machine.processes import ProcessId


class Mender:
    """Looks after the servers that this run started: those that no URL was given for, and the sandbox."""

    def __init__(
        self, folder: DataFolder, given: Urls, *, event: Callable[[str], None], clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.sandbox: SandboxProcess | None = None
        self._folder = folder
        self._given = given
        self._event = event
        self._clock = clock

    async def mend(self) -> None:
        """Start what has died. Raises LedgerUnavailableError or RedisUnavailableError where that fails for now, and
        ConfigurationError where the sandbox cannot work any more.
        """
        if not self._given.postgres:
            await self._revive("PostgreSQL", self._folder.postgres)
        if not self._given.redis:
            await self._revive("Valkey", self._folder.valkey)
        if self.sandbox is not None:
            try:
                self.sandbox.tick(self._clock.monotonic())
            except OSError as error:
                self._event(f"the sandbox cannot be started: {error.strerror or error}; trying again")

    def remember(self, workers: Iterable[ProcessId]) -> None:
        """Note the processes of this run, for a run that follows a killed one."""
        sandbox = None if self.sandbox is None else self.sandbox.child
        # A full disk must not end the crawl.
        with suppress(OSError):
            self._folder.remember([*workers, *([] if sandbox is None else [sandbox.id])])

    async def _revive(self, name: str, server: EmbeddedPostgres | EmbeddedValkey) -> None:
        if server.running:
            return
        self._event(f"{name} has died and is started again")
        try:
            await in_thread(server.start)
        except (ConfigurationError, OSError, psycopg.Error) as error:
            # It started before, so this may pass: a full disk, processes that have not gone yet.
            kind = LedgerUnavailableError if isinstance(server, EmbeddedPostgres) else RedisUnavailableError
            raise kind(str(error).strip().partition("\n")[0]) from error
