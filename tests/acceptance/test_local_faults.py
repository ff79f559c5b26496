"""A local run that is interrupted, killed, or robbed of its parts: nothing is lost and no search repeated."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.processes.run_process import RunProcess, clean_up, prepare_data, run, wait_until, write_job
from support.processes.sandbox_process import SandboxProcess, sandbox
from support.processes.servers import server_folder

from crawl_worker import cli
from crawl_worker.embedded import EmbeddedPostgres, EmbeddedValkey

STRINGS = 36**2
SLOW = {"requests": 400, "window": "1s"}


@pytest.fixture
def folder() -> Iterator[Path]:
    with server_folder() as path:
        prepare_data(path / "data")
        yield path


@pytest.fixture
def api() -> Iterator[SandboxProcess]:
    with sandbox(mode="extended") as process:
        yield process


def job(folder: Path, api: SandboxProcess | None = None, **spec: Any) -> Path:
    # A short timeout, since a restarted Redis makes the limiter wait for that long.
    source = {"requestTimeout": "1s"} | ({"baseURL": api.url} if api is not None else {})
    defaults = {
        "keyspace": {"minLength": 2, "maxLength": 2, "rangeSize": 36},
        "rateLimit": SLOW,
        "source": source,
        "workers": {"min": 2, "max": 2},
    }
    return write_job(folder / "job.yaml", **(defaults | spec))


def assert_complete(crawl: RunProcess) -> None:
    assert crawl.wait() == 0, crawl.stderr
    summary = crawl.summary()
    assert (summary["state"], summary["searches"]) == ("Succeeded", STRINGS), crawl.stderr


def repeated(api: SandboxProcess) -> int:
    """Requests for a page that had been asked for before."""
    asked = Counter((request["query"], request["offset"]) for request in api.requests())
    return sum(count - 1 for count in asked.values())


def test_ctrl_c_drains_and_the_same_command_goes_on_without_repeating_a_request(
    folder: Path, api: SandboxProcess
) -> None:
    file = job(folder, api)
    with run(file, folder / "data", "--json") as crawl:
        crawl.wait_for_searches(100)
        crawl.interrupt()
        assert crawl.wait() == 130, crawl.stderr
        assert crawl.summary()["state"] == "Interrupted"
        assert 100 <= crawl.summary()["searches"] < STRINGS
        assert "draining" in crawl.stderr
    with run(file, folder / "data", "--json") as crawl:
        assert_complete(crawl)
    assert repeated(api) == 0


def test_a_second_ctrl_c_ends_at_once(folder: Path, api: SandboxProcess) -> None:
    # The first Ctrl-C waits for the request in flight: two minutes, the longest timeout that a spec may have.
    api.control(faults={"rules": [{"match": {}, "action": {"stall_s": 1200}}]})
    source = {"requestTimeout": "120s", "baseURL": api.url}
    with run(job(folder, api, source=source), folder / "data", "--json") as crawl:
        wait_until(lambda: api.stats()["arrivals"], "a request in flight")
        crawl.interrupt()
        wait_until(lambda: "draining" in crawl.stderr, "draining")
        crawl.interrupt()
        assert crawl.wait() == 130
        assert crawl.summary()["state"] == "Interrupted"


def test_a_killed_worker_is_replaced(folder: Path) -> None:
    with run(job(folder), folder / "data", "--json") as crawl:
        crawl.wait_for_searches(50)
        victim = crawl.workers()[0]
        victim.kill()
        wait_until(lambda: len([worker for worker in crawl.workers() if worker.pid != victim.pid]) == 2, "a successor")
        crawl.interrupt()
        crawl.wait()
    assert "was ended by SIGKILL (by somebody, or for want of memory); a new one starts" in crawl.stderr


def test_after_a_killed_supervisor_the_same_command_goes_on(folder: Path, api: SandboxProcess) -> None:
    file = job(folder, api)
    with run(file, folder / "data", "--json") as crawl:
        crawl.wait_for_searches(100)
        workers = crawl.workers()
        servers = EmbeddedPostgres(folder / "data" / "postgres").pid
        crawl.kill()
        with run(file, folder / "data", "--json") as successor:
            wait_until(lambda: not any(alive(worker) for worker in workers), "the end of the orphans")
            assert_complete(successor)
        assert servers is not None
    assert repeated(api) == 0


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def test_postgres_valkey_and_the_sandbox_may_die_under_the_run(folder: Path) -> None:
    data = folder / "data"
    with run(job(folder), data, "--json") as crawl:
        crawl.wait_for_searches(50)
        valkey = EmbeddedValkey(data / "valkey")
        assert valkey.available()
        for pid in (EmbeddedPostgres(data / "postgres").pid, valkey.pid, crawl.children("sandbox")[0].pid):
            os.kill(pid or 0, signal.SIGKILL)
        assert_complete(crawl)
    for what in ("PostgreSQL has died and", "Valkey has died and", "the sandbox was ended by SIGKILL"):
        assert what in crawl.stderr


def test_a_second_run_on_the_folder_is_refused(folder: Path) -> None:
    # One that lasts for a minute: however long the second one takes to start, the first one crawls.
    slow = job(folder, rateLimit={"requests": 20, "window": "1s"})
    with run(slow, folder / "data") as first:
        wait_until(lambda: (folder / "data" / "run.lock").exists(), "the lock")
        wait_until(lambda: (folder / "data" / "run.lock").read_text(), "the pid in the lock")
        with subprocess.Popen(
            [sys.executable, "-m", "crawl_worker.cli", "run", str(folder / "job.yaml"), "--data", str(folder / "data")],
            stderr=subprocess.PIPE,
            text=True,
        ) as second:
            _, said = second.communicate(timeout=30)
    assert second.returncode == 78
    assert f"is in use by another run (pid {first.pid})" in said


def test_a_run_that_only_a_person_can_mend_stalls_and_says_why(folder: Path) -> None:
    with (
        sandbox(credentials="right:secret") as api,
        run(
            job(folder, api),
            folder / "data",
            "--json",
            environment={"ARTISTCRAWL_CLIENT_ID": "wrong", "ARTISTCRAWL_CLIENT_SECRET": "wrong"},
        ) as crawl,
    ):
        assert crawl.wait() == 78
        summary = crawl.summary()
    assert summary["state"] == "Stalled"
    assert "credentials" in summary["message"].lower()


def test_a_long_freeze_outlives_a_restart_and_is_lifted_by_name(folder: Path, api: SandboxProcess) -> None:
    data = folder / "data"
    rule = {"match": {"first_n": 1}, "action": {"status": 429, "retry_after": "86400"}}
    api.control(faults={"rules": [rule]})
    with run(job(folder, api), data, "--json") as crawl:
        wait_until(lambda: "is frozen until" in crawl.stderr, "the freeze")
        crawl.interrupt()
        crawl.wait()
        assert crawl.summary()["rate_limited"] == 1
        assert crawl.summary()["frozen_until"]
    arrived = api.stats()["arrivals"]
    with run(job(folder, api), data, "--json") as crawl:
        wait_until(lambda: "is frozen until" in crawl.stderr, "the freeze")
        assert api.stats()["arrivals"] == arrived
        bucket = re.search(r"bucket (\S+) is frozen", crawl.stderr)
        assert bucket is not None
        assert cli.main(["unfreeze", bucket[1], "--data", str(data)]) == 0
        assert_complete(crawl)


def test_a_suspended_job_says_so_and_sends_nothing(folder: Path, api: SandboxProcess) -> None:
    with run(job(folder, api, suspend=True), folder / "data", "--json") as crawl:
        assert crawl.wait() == 0
        assert crawl.summary()["state"] == "Suspended"
        assert "set it to false" in crawl.stderr
    assert api.stats()["arrivals"] == 0


def test_a_run_whose_deadline_passes_drains_and_goes_on_when_the_deadline_is_raised(
    folder: Path, api: SandboxProcess
) -> None:
    data, due = folder / "data", {"deadline": "1m", "deadlinePolicy": "Suspend"}
    # Slow enough for the deadline to pass while something is not covered.
    file = job(folder, api, rateLimit={"requests": 40, "window": "1s"}, **due)
    a_minute_ago = "UPDATE crawl_run SET started_at = started_at - interval '1 minute'"
    with run(file, data, "--json") as crawl:
        crawl.wait_for_searches(100)
        psql = [sys.executable, "-m", "crawl_worker.cli", "psql", "--data", str(data), "-c", a_minute_ago]
        subprocess.run(psql, check=True, timeout=60)
        assert crawl.wait() == 130, crawl.stderr
        assert crawl.summary()["state"] == "Suspended"
        assert "Raise spec.deadline, or write spec.deadlinePolicy: Alert" in crawl.stderr
    arrived = api.stats()["arrivals"]
    with run(file, data, "--json") as crawl:
        assert crawl.wait() == 130, crawl.stderr
    assert api.stats()["arrivals"] == arrived
    with run(job(folder, api, **{**due, "deadline": "1h"}), data, "--json") as crawl:
        assert_complete(crawl)
    assert repeated(api) == 0


def test_in_a_terminal_the_view_is_redrawn_in_place(folder: Path) -> None:
    supervisor, terminal = pty.openpty()
    file = job(folder, keyspace={"minLength": 1, "maxLength": 1})
    command = [sys.executable, "-m", "crawl_worker.cli", "run", str(file), "--data", str(folder / "data")]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    try:
        with subprocess.Popen(command, stdout=terminal, stderr=terminal, env=environment) as process:
            os.close(terminal)
            shown = read_all(supervisor)
            assert process.wait(60) == 0
    finally:
        os.close(supervisor)
        clean_up(folder / "data")
    assert "\x1b[1A" in shown
    assert "100.00%" in shown
    assert "of 24,000 a minute" in shown
    assert "has succeeded" in shown


def read_all(descriptor: int) -> str:
    data, deadline_s = b"", time.monotonic() + 60
    while time.monotonic() < deadline_s:
        if select.select([descriptor], [], [], 1)[0]:
            try:
                chunk = os.read(descriptor, 65_536)
            except OSError:
                break
            if not chunk:
                break
            data += chunk
    return data.decode(errors="replace")
