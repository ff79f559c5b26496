"""The data folder of a local run: its servers and who may use them."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from support.processes.run_process import prepare_data, wait_until
from support.processes.servers import server_folder

from crawl_core.errors import ConfigurationError
from crawl_worker.data.data_folder import DataFolder, is_crawled
from crawl_worker.embedded import EmbeddedPostgres, EmbeddedValkey, wheel
from crawl_worker.embedded.account import let_through, running_as_root, server_account
from crawl_worker.embedded.surroundings import environment
from crawl_worker.machine.processes import ProcessId


@pytest.fixture
def data() -> Iterator[Path]:
    with server_folder() as folder:
        yield folder / "data"


@pytest.fixture
def valkey(data: Path) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(data / "valkey")
    server.start()
    yield server
    server.stop()


def ping(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        return bool(client.ping())


def test_the_servers_run_while_somebody_uses_them(data: Path) -> None:
    folder = DataFolder(data)
    with folder.servers():
        assert ping(folder.valkey.url)
        with psycopg.connect(folder.postgres.url()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not folder.valkey.running
    assert not folder.postgres.running


def test_a_second_user_joins_and_leaves_the_servers_to_the_first(data: Path) -> None:
    first, second = DataFolder(data), DataFolder(data, create=True)
    with first.servers(postgres=False):
        with second.servers(postgres=False):
            assert second.valkey.pid == first.valkey.pid
        assert ping(first.valkey.url)


def test_the_last_user_stops_the_servers_whoever_started_them(data: Path) -> None:
    first, second = DataFolder(data), DataFolder(data)
    with second_user(second) as second_leaves:
        with first.servers(postgres=False):
            second_leaves.enter()
        assert ping(second.valkey.url)
    assert not second.valkey.running
    assert not first.valkey.running


def test_the_last_user_stops_also_a_server_that_it_did_not_use(data: Path) -> None:
    run = DataFolder(data)
    with ExitStack() as reader:
        with run.servers():
            reader.enter_context(DataFolder(data).servers(valkey=False))
        assert ping(run.valkey.url)
    assert not run.valkey.running


class second_user:  # noqa: N801 - a context manager
    """Enters `servers` later than it is made, and leaves at its own end."""

    def __init__(self, folder: DataFolder) -> None:
        self._servers = folder.servers(postgres=False)

    def enter(self) -> None:
        self._servers.__enter__()

    def __enter__(self) -> second_user:
        return self

    def __exit__(self, *error: object) -> None:
        self._servers.__exit__(None, None, None)


def test_a_user_who_does_not_run_it_never_starts_a_second_valkey(data: Path) -> None:
    run, visitor = DataFolder(data), DataFolder(data)
    with run.servers(postgres=False):
        os.kill(run.valkey.pid or 0, signal.SIGKILL)
        while run.valkey.running:
            time.sleep(0.01)
        with pytest.raises(ConfigurationError, match="is down just now"), visitor.servers(postgres=False):
            pass


def test_a_second_run_is_refused_with_the_pid_of_the_first(data: Path) -> None:
    with DataFolder(data).run():
        second = DataFolder(data)
        with pytest.raises(ConfigurationError, match=f"in use by another run \\(pid {os.getpid()}\\)"), second.run():
            pass


def test_the_next_run_ends_the_processes_of_a_killed_one(data: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(command) as leftover:
        killed = DataFolder(data)
        killed.remember([ProcessId.of(leftover.pid, command)])
        with DataFolder(data).run():
            assert leftover.poll() is not None


def test_a_process_that_got_the_pid_of_an_old_one_is_left_alone() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as stranger:
        assert not ProcessId.of(stranger.pid, ["artistcrawl", "worker"]).end(grace_s=0)
        assert psutil.pid_exists(stranger.pid)
        stranger.kill()


def test_a_folder_that_cannot_be_made_is_refused_with_the_flag_to_use() -> None:
    with pytest.raises(ConfigurationError, match=r"/proc/1/data cannot be made: .*--data DIR"):
        DataFolder(Path("/proc/1/data"))


def test_a_folder_without_a_run_is_no_place_to_look_for_data(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no run's data"):
        DataFolder(tmp_path, create=False)
    with pytest.raises(ConfigurationError, match="does not exist"):
        DataFolder(tmp_path / "nowhere", create=False)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="is not a folder"):
        DataFolder(tmp_path / "file", create=False)


def test_a_first_start_that_was_cut_short_is_told_with_what_goes_on(data: Path) -> None:
    with DataFolder(data).run():
        pass
    with pytest.raises(ConfigurationError, match=rf"nothing is stored.* run FILE --data {data} begins again"):
        DataFolder(data, create=False)
    (data / "postgres").mkdir()
    (data / "postgres.initialising").touch()
    with (
        pytest.raises(ConfigurationError, match=r"nothing is stored.* cut short"),
        DataFolder(data, create=False).servers(),
    ):
        pass


def test_a_path_too_long_for_a_socket_works(data: Path) -> None:
    folder = DataFolder(data / ("long" * 30))
    with folder.servers(), psycopg.connect(folder.postgres.url()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_valkey_keeps_port_password_and_data_over_a_crash(valkey: EmbeddedValkey) -> None:
    url = valkey.url
    with redis.Redis.from_url(url) as client:
        client.set("key", "kept")
        client.waitaof(1, 0, 5_000)
    os.kill(valkey.pid or 0, signal.SIGKILL)
    valkey.start()
    with redis.Redis.from_url(url) as client:
        assert client.get("key") == b"kept"


def test_valkey_lets_nobody_in_without_the_password(valkey: EmbeddedValkey) -> None:
    with redis.Redis(port=valkey.port, retry=None) as stranger, pytest.raises(redis.exceptions.AuthenticationError):
        stranger.ping()
    assert (valkey.folder / "valkey.conf").stat().st_mode & 0o077 == 0


def test_a_valkey_that_a_killed_run_left_is_joined(valkey: EmbeddedValkey) -> None:
    successor = EmbeddedValkey(valkey.folder)
    successor.start()
    assert (successor.pid, successor.url) == (valkey.pid, valkey.url)


def test_a_leftover_valkey_that_does_not_answer_is_replaced(valkey: EmbeddedValkey) -> None:
    os.kill(valkey.pid or 0, signal.SIGSTOP)
    successor = EmbeddedValkey(valkey.folder)
    successor.start()
    try:
        assert successor.pid != valkey.pid
        assert not valkey.running
    finally:
        successor.stop()


def test_a_file_that_valkey_cannot_read_is_put_aside(data: Path) -> None:
    server = EmbeddedValkey(data / "valkey")
    (server.folder / "appendonlydir").mkdir(parents=True)
    (server.folder / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    server.start()
    assert ping(server.url)
    assert list(data.glob("valkey.broken-*"))
    server.stop()


def test_a_valkey_that_lacks_room_keeps_its_file(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = EmbeddedValkey(data / "valkey")
    (server.folder / "appendonlydir").mkdir(parents=True)
    full = '#!/bin/sh\necho "Can\'t open or create append-only dir appendonlydir: No space left on device"; exit 1\n'
    program = data / "full"
    program.write_text(full)
    program.chmod(0o755)
    monkeypatch.setattr("crawl_worker.embedded.valkey._valkey_program", lambda: program)
    with pytest.raises(ConfigurationError, match="No space left on device"):
        server.start()
    assert (server.folder / "appendonlydir").exists()
    assert not list(data.glob("valkey.broken-*"))


def test_a_file_is_put_aside_once_in_a_run(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = data / "failing"
    data.mkdir()
    program.write_text("#!/bin/sh\necho '*** FATAL AOF MANIFEST FILE ERROR ***'; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr("crawl_worker.embedded.valkey._valkey_program", lambda: program)
    server = EmbeddedValkey(data / "valkey")
    for _ in range(3):
        with pytest.raises(ConfigurationError):
            server.start()
    assert len(list(data.glob("valkey.broken-*"))) == 1


def test_postgres_comes_back_after_its_first_process_was_killed(data: Path) -> None:
    server = EmbeddedPostgres(data / "postgres")
    server.start()
    os.kill(server.pid or 0, signal.SIGKILL)
    while server.running:
        time.sleep(0.01)
    server.start()
    with psycopg.connect(server.url()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    server.stop()


def test_a_first_start_that_was_cut_short_begins_anew(data: Path) -> None:
    server = EmbeddedPostgres(data / "postgres")
    server.folder.mkdir(parents=True)
    (server.folder / "PG_VERSION").write_text("18\n")
    (data / "postgres.initialising").touch()
    server.start()
    assert server.running
    assert not (data / "postgres.initialising").exists()
    server.stop()


@pytest.mark.parametrize("create", [True, False])
def test_a_folder_of_this_name_that_no_run_made_is_left_alone(data: Path, create: bool) -> None:
    theirs = data / "postgres" / "base.dat"
    theirs.parent.mkdir(parents=True)
    (theirs.parent / "PG_VERSION").write_text("18\n")
    theirs.write_text("precious")
    with pytest.raises(ConfigurationError, match="--data DIR"), DataFolder(data, create=create).servers(valkey=False):
        pass
    assert theirs.read_text() == "precious"


def test_a_command_that_only_reads_initialises_nothing(data: Path) -> None:
    (data / "postgres").mkdir(parents=True)
    with (
        pytest.raises(ConfigurationError, match="holds no run's data"),
        DataFolder(data, create=False).servers(valkey=False),
    ):
        pass
    assert not list((data / "postgres").iterdir())


def test_data_that_was_copied_without_what_lies_beside_it_is_used(data: Path) -> None:
    prepare_data(data)
    (data / "postgres.complete").unlink()
    with DataFolder(data, create=False).servers(valkey=False):
        assert (data / "postgres.complete").exists()


def test_a_lock_is_not_held_by_a_run_that_is_gone(data: Path) -> None:
    with DataFolder(data).run():
        pass
    with (data / "run.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_postgres_that_somebody_is_just_starting_is_waited_for(data: Path) -> None:
    first = EmbeddedPostgres(data / "postgres")
    first.start()
    pid_file = first.folder / "postmaster.pid"
    whole = pid_file.read_text()
    pid_file.write_text("".join(line for line in whole.splitlines(keepends=True)[:-1]))
    threading.Timer(0.3, pid_file.write_text, [whole]).start()
    second = EmbeddedPostgres(data / "postgres")
    second.start()
    assert second.ready
    first.stop()


def older_postgres(data: Path, sockets: Path) -> subprocess.Popen[bytes]:
    """One that lies where older versions put it: in no folder that this one made for sockets."""
    with DataFolder(data).servers(valkey=False):
        pass
    sockets.mkdir()
    account = server_account() if running_as_root() else None
    if account is not None:
        os.chown(sockets, account.uid, account.gid)
    folder = data / "postgres"
    return subprocess.Popen(
        [str(wheel.programs() / "postgres"), "-D", str(folder), "-k", str(sockets), "-h", ""],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment(),
        **({} if account is None else let_through(account, data=folder, programs=wheel.programs()).popen),
    )


def test_a_run_moves_the_server_of_an_older_version_to_an_address_that_lasts(data: Path) -> None:
    with older_postgres(data, data.parent / "old") as older:
        reader, run = DataFolder(data), DataFolder(data)
        try:
            wait_until(reader.postgres.available, "the older PostgreSQL")
            reader.postgres.start()
            assert reader.postgres.pid == older.pid
            with run.servers(valkey=False, supervise=True):
                assert older.poll() is not None
                url = run.postgres.url()
                os.kill(run.postgres.pid or 0, signal.SIGKILL)
                wait_until(lambda: not run.postgres.running, "its end")
                run.postgres.start()
                with psycopg.connect(url) as connection:
                    assert connection.execute("SELECT 1").fetchone() == (1,)
        finally:
            older.terminate()


def test_a_valkey_whose_starter_is_killed_before_it_answers_is_found_by_the_next_one(data: Path, monkeypatch) -> None:
    class Killed(BaseException):
        pass

    killed = EmbeddedValkey(data / "valkey")
    with monkeypatch.context() as context:
        context.setattr(EmbeddedValkey, "_await_answer", lambda self: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            killed.start()
    # The kernel shows no command line in the first moment of a program.
    wait_until(psutil.Process(killed.pid).cmdline, "its command line")
    EmbeddedValkey(data / "valkey").stop()
    assert not killed.running


def test_whether_somebody_crawls_is_told_by_the_process_that_wrote_the_lock(data: Path) -> None:
    assert not is_crawled(data)
    with DataFolder(data).run():
        assert is_crawled(data)
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
        (data / "run.lock").write_text(f"{ended.pid}\n")
        assert not is_crawled(data)
    (data / "run.lock").write_text(f"{os.getpid()}\n")
    os.utime(data / "run.lock", (1.0, 1.0))
    assert not is_crawled(data)
