"""A local run that waits while it starts says for what, ends at once on Ctrl-C, and always prints its one object."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from support.processes.run_process import prepare_data, run, wait_until, write_job
from support.processes.servers import server_folder

from crawl_worker.embedded import EmbeddedPostgres

AT_ONCE_S = 20.0
"""A generous bound for what must not wait for a server's own time limits, of 30 s and more."""

ROWS = 300_000
"""Of a catalogue that takes a second or more to load."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with server_folder() as path:
        yield path


@pytest.fixture
def job(folder: Path) -> Path:
    keyspace = {"minLength": 1, "maxLength": 1}
    return write_job(folder / "job.yaml", keyspace=keyspace, rateLimit={"requests": 1000, "window": "1s"})


@contextmanager
def mute_server() -> Iterator[str]:
    """HOST:PORT where connections are taken and nothing is ever said."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def large_catalogue(folder: Path) -> Path:
    path = folder / "large.csv"
    path.write_text("id,name\n" + "".join(f"{number},name {number}\n" for number in range(ROWS)))
    return path


def processes_in(folder: Path) -> list[str]:
    """What still works in the folder."""
    names = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(folder):
                names.append(process.name())
    return names


def test_a_lock_that_somebody_holds_is_named_and_ctrl_c_ends_the_wait(folder: Path, job: Path) -> None:
    prepare_data(folder / "data")
    with (folder / "data" / "servers.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with run(job, folder / "data", "--json") as crawl:
            said = "waiting for somebody who starts or stops the servers of"
            wait_until(lambda: said in crawl.stderr, "a word of the wait")
            crawl.interrupt()
            assert crawl.wait(AT_ONCE_S) == 130
            fcntl.flock(lock, fcntl.LOCK_UN)
        summary = crawl.summary()
    assert summary["state"] == "Interrupted"
    assert summary["message"].startswith("it was waiting for somebody who starts or stops the servers of")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_given_server_that_says_nothing_can_be_left_at_any_moment(
    folder: Path, job: Path, number: signal.Signals
) -> None:
    with mute_server() as postgres, mute_server() as redis:
        urls = ["--postgres", f"postgresql://me@{postgres}/ledger", "--redis", f"redis://{redis}/0"]
        with run(job, folder / "data", "--json", *urls) as crawl:
            wait_until(lambda: (folder / "data" / "logs").exists(), "the start")
            time.sleep(0.5)
            crawl.process.send_signal(number)
            assert crawl.wait(AT_ONCE_S) == 130
            assert crawl.summary()["state"] == "Interrupted"


def test_ctrl_c_while_postgresql_is_set_up_leaves_no_process_and_the_next_run_works(folder: Path, job: Path) -> None:
    with run(job, folder / "data", "--json") as crawl:
        wait_until(lambda: (folder / "data" / "postgres").exists(), "initdb")
        crawl.interrupt()
        assert crawl.wait(AT_ONCE_S) == 130, crawl.stderr
        assert crawl.summary()["state"] == "Interrupted"
        wait_until(lambda: not processes_in(folder / "data"), "no process left", timeout_s=AT_ONCE_S)
        assert not EmbeddedPostgres(folder / "data" / "postgres").running
    with run(job, folder / "data", "--json") as crawl:
        assert crawl.wait() == 0, crawl.stderr


def test_a_sandbox_that_is_killed_while_it_loads_its_catalogue_is_started_again(folder: Path, job: Path) -> None:
    prepare_data(folder / "data")
    with run(job, folder / "data", "--json", "--catalogue", str(large_catalogue(folder))) as crawl:
        (loading,) = wait_until(lambda: crawl.children("sandbox"), "a sandbox")
        loading.kill()
        assert crawl.wait() == 0, crawl.stderr
        assert "the sandbox was ended by SIGKILL (by somebody, or for want of memory); a new one starts" in crawl.stderr
        assert crawl.summary()["state"] == "Succeeded"


def test_a_sandbox_that_takes_long_is_waited_for_and_named(folder: Path, job: Path) -> None:
    prepare_data(folder / "data")
    catalogue = large_catalogue(folder)
    with run(job, folder / "data", "--json", "--catalogue", str(catalogue)) as crawl:
        (loading,) = wait_until(lambda: crawl.children("sandbox"), "a sandbox")
        loading.suspend()
        wait_until(lambda: f"waiting for the sandbox to load {catalogue}" in crawl.stderr, "a word of the wait")
        loading.resume()
        assert crawl.wait() == 0, crawl.stderr


def test_a_catalogue_that_cannot_be_read_ends_the_run_with_the_sandboxs_words(folder: Path, job: Path) -> None:
    prepare_data(folder / "data")
    (folder / "bad.csv").write_text("artist\nX\n")
    with run(job, folder / "data", "--json", "--catalogue", str(folder / "bad.csv")) as crawl:
        assert crawl.wait() == 78
        assert "no column id and no column name" in crawl.summary()["message"]
        assert crawl.stderr.count("no column id") == 1, crawl.stderr


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs a network of its own")
@pytest.mark.parametrize(("removed", "left"), [("127.0.0.1/8", "[::1]"), ("::1/128", "127.0.0.1")])
def test_a_machine_with_one_loopback_address_only_is_enough(folder: Path, job: Path, removed: str, left: str) -> None:
    prepare_data(folder / "data")
    program = [sys.executable, "-m", "crawl_worker.cli", "run", str(job), "--data", str(folder / "data"), "--json"]
    script = f'ip link set lo up && ip addr del {removed} dev lo && exec "$@"'
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script, "sh", *program, "--metrics-port", "0"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "Succeeded"
    assert f"metrics are served at http://{left}:" in done.stderr


def test_a_second_run_on_a_folder_prints_its_object_as_well(folder: Path, job: Path) -> None:
    (folder / "data").mkdir(mode=0o700)
    with (folder / "data" / "run.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with run(job, folder / "data", "--json") as crawl:
            assert crawl.wait(AT_ONCE_S) == 78
            fcntl.flock(lock, fcntl.LOCK_UN)
        assert (crawl.summary()["state"], "is in use by another run" in crawl.summary()["message"]) == ("Refused", True)
