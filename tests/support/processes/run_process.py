"""`artistcrawl run` as a real process, as a user starts it, with what belongs to it found and ended.

    with run(job_file, data) as crawl:
        crawl.wait_for_searches(100); crawl.interrupt(); assert crawl.wait() == 130; crawl.summary()["state"]

It refuses to leave a process or a server behind, whatever a test kills.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import psycopg
from support.processes.servers import server_folder

from crawl_worker.data.data_folder import DataFolder
from crawl_worker.embedded import EmbeddedPostgres, EmbeddedValkey

TIMEOUT_S = 60.0


def wait_until(condition: Callable[[], Any], what: str, *, timeout_s: float = TIMEOUT_S) -> Any:
    """Poll until the condition holds; what it returned."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {what}"
        time.sleep(0.05)


class RunProcess:
    """One running (or ended) `artistcrawl run`."""

    def __init__(self, process: subprocess.Popen[str], data: Path, output: Path) -> None:
        self.process = process
        self.data = data
        self._output = output
        self._last: dict[str, str] = {}

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def stdout(self) -> str:
        return self._read("stdout")

    @property
    def stderr(self) -> str:
        return self._read("stderr")

    def _read(self, name: str) -> str:
        with suppress(FileNotFoundError):
            self._last[name] = (self._output / name).read_text()
        return self._last[name]

    def summary(self) -> dict[str, Any]:
        """The one object on stdout; fails where there is more or less."""
        lines = self.stdout.splitlines()
        assert len(lines) == 1, f"stdout: {self.stdout}\nstderr: {self.stderr}"
        summary: dict[str, Any] = json.loads(lines[0])
        return summary

    def wait(self, timeout_s: float = TIMEOUT_S) -> int:
        """The exit status."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout_s} s:\n{self.stdout}\n{self.stderr}") from None

    def interrupt(self) -> None:
        """What Ctrl-C does: only the supervisor is in the terminal's process group."""
        self.process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(TIMEOUT_S)

    def children(self, word: str) -> list[psutil.Process]:
        """Its processes that run `artistcrawl WORD`."""
        matching = []
        for child in psutil.Process(self.pid).children():
            with suppress(psutil.Error):
                if child.status() != psutil.STATUS_ZOMBIE and word in child.cmdline():
                    matching.append(child)
        return matching

    def workers(self) -> list[psutil.Process]:
        return self.children("worker")

    def wait_for_searches(self, at_least: int) -> int:
        """Until so many searches are committed."""
        wait_until(lambda: self.query("SELECT count(*) FROM search") >= at_least, f"{at_least} searches")
        return self.query("SELECT count(*) FROM search")

    def query(self, statement: str) -> int:
        """A number from the ledger; 0 while there is none."""
        server = EmbeddedPostgres(self.data / "postgres")
        if not server.ready:
            return 0
        try:
            with psycopg.connect(server.url(), autocommit=True) as connection:
                row = connection.execute(statement.encode()).fetchone()
                return int(row[0]) if row is not None and row[0] is not None else 0
        except (psycopg.Error, RuntimeError):
            # Down again since.
            return 0


@cache
def initialised_postgres() -> Path:
    """A data folder whose PostgreSQL is set up: copying it takes a tenth of the time of setting one up."""
    folder = Path(tempfile.mkdtemp(prefix="acr-init-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with DataFolder(folder).servers(valkey=False):
        pass
    return folder


def prepare_data(data: Path) -> None:
    """Make a data folder that was used before, so that a test does not wait for initdb."""
    source = initialised_postgres()
    data.mkdir(parents=True, exist_ok=True)
    for name in ("postgres", "postgres.complete", "postgres.password"):
        # cp keeps the owner, which is not us where we are root.
        subprocess.run(["cp", "-a", str(source / name), str(data / name)], check=True)


@contextmanager
def run(job: Path, data: Path, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[RunProcess]:
    """Start `artistcrawl run JOB --data DATA ...`; end it, and all that belongs to it, with the block."""
    with server_folder() as output, (output / "stdout").open("w") as out, (output / "stderr").open("w") as err:
        command = [sys.executable, "-m", "crawl_worker.cli", "run", str(job), "--data", str(data), *arguments]
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=err,
            text=True,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
        crawl = RunProcess(process, data, output)
        try:
            yield crawl
        finally:
            if process.poll() is None:
                crawl.kill()
            clean_up(data)
            # What was printed stays readable after the block.
            assert crawl.stdout is not None
            assert crawl.stderr is not None


def clean_up(data: Path) -> None:
    """End what a killed run left on a data folder."""
    if not data.exists():
        return
    folder = DataFolder(data)
    with folder.run():
        pass
    if EmbeddedPostgres(data / "postgres").running or EmbeddedValkey(data / "valkey").available():
        with folder.servers():
            pass


def write_job(path: Path, name: str = "tiny", **spec: Any) -> Path:
    """A CrawlJob in a file (JSON is YAML, too)."""
    job = {"apiVersion": "artistcrawl.dev/v1alpha1", "kind": "CrawlJob", "metadata": {"name": name}, "spec": spec}
    path.write_text(json.dumps(job))
    return path
