"""A data folder is ours or it is refused, and looking into somebody else's changes nothing."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.processes.other_users import (
    NOBODY,
    artistcrawl_as,
    as_user,
    need_other_users,
    python,
    python_environment,
)
from support.processes.run_process import prepare_data
from support.processes.servers import server_folder

from crawl_core.errors import ConfigurationError
from crawl_worker import cli
from crawl_worker.data.data_folder import DataFolder
from crawl_worker.embedded import wheel

RUN_UNTIL_STDIN_ENDS = """
import asyncio, pathlib, sys
from crawl_core.backends.migrate import migrate
from crawl_worker.data.data_folder import DataFolder
folder = DataFolder(pathlib.Path(sys.argv[1]))
with folder.run(), folder.servers():
    asyncio.run(migrate(folder.postgres.url()))
    print(folder.postgres.url(), flush=True)
    sys.stdin.read()
"""
"""What a run has open, without its crawl."""


@pytest.fixture
def place() -> Iterator[Path]:
    with server_folder() as folder:
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def theirs(place: Path) -> Path:
    """A place of another user's."""
    need_other_users()
    folder = place / "theirs"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    return folder


@pytest.fixture
def running(theirs: Path) -> Iterator[Path]:
    """A folder in which another user crawls."""
    data = theirs / "data"
    command = [python(), "-c", RUN_UNTIL_STDIN_ENDS, data]
    with subprocess.Popen(
        command, user=NOBODY, group=NOBODY, extra_groups=[], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/",
        env=python_environment(),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"postgresql://")
        yield data
        process.communicate(b"", timeout=60)


def listing(folder: Path) -> dict[str, tuple[int, ...]]:
    """All that can be seen of each file, but for what PostgreSQL itself writes while it runs."""
    seen = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        written = "postgres/" in str(path.relative_to(folder)) and stat.S_ISREG(status.st_mode)
        times = () if written or path.parent.name == "postgres" else (status.st_mtime_ns, status.st_ctime_ns)
        seen[str(path)] = (status.st_uid, status.st_gid, status.st_mode, *times)
    return seen


def test_root_looks_at_a_running_crawl_of_another_user_and_changes_nothing(
    running: Path, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = listing(running)
    assert cli.main(["status", "--data", str(running)]) == 0
    assert cli.main(["export", "artists", "--data", str(running), "--output", str(place / "rows.csv")]) == 0
    assert cli.main(["psql", "--data", str(running), "-c", "SELECT 'it is ' || 'read'"]) == 0
    assert cli.main(["unfreeze", "--list", "--data", str(running)]) == 0
    assert "it is read" in capfd.readouterr().out
    assert listing(running) == before


def test_a_crawl_that_does_not_run_is_started_for_its_owner_alone(
    theirs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = theirs / "data"
    with_servers = RUN_UNTIL_STDIN_ENDS
    assert as_user(NOBODY, [python(), "-c", with_servers, data], cwd="/", input="").returncode == 0
    before = listing(data)
    assert cli.main(["status", "--data", str(data)]) == 78
    assert "belongs to nobody, and nobody crawls in it just now" in capsys.readouterr().err
    assert listing(data) == before
    seen = artistcrawl_as(NOBODY, "status", "--data", data, cwd="/")
    assert (seen.returncode, seen.stderr) == (0, "")
    assert not (data / "postgres" / "postmaster.pid").exists()


def test_somebody_who_may_not_look_is_told_whose_it_is(place: Path) -> None:
    need_other_users()
    prepare_data(place / "data")
    (place / "data").chmod(0o700)
    seen = artistcrawl_as(NOBODY, "status", "--data", place / "data", cwd="/")
    assert seen.returncode == 78
    assert "data belongs to root, who alone may look into it: run this as root" in seen.stderr


def test_its_owner_reads_a_running_crawl_whose_folder_cannot_be_written_to(running: Path) -> None:
    running.chmod(0o500)
    before = listing(running)
    seen = artistcrawl_as(NOBODY, "status", "--data", running, cwd="/")
    assert (seen.returncode, seen.stderr) == (0, "")
    assert listing(running) == before
    running.chmod(0o700)


def test_nothing_can_be_started_in_a_folder_that_cannot_be_written_to(theirs: Path) -> None:
    data = theirs / "data"
    assert as_user(NOBODY, [python(), "-c", RUN_UNTIL_STDIN_ENDS, data], cwd="/", input="").returncode == 0
    data.chmod(0o500)
    seen = artistcrawl_as(NOBODY, "status", "--data", data, cwd="/")
    assert seen.returncode == 78
    assert "it cannot be written to: PostgreSQL cannot start there" in seen.stderr


def test_another_user_reaches_roots_server_neither_by_its_socket_nor_without_the_password(place: Path) -> None:
    need_other_users()
    prepare_data(place / ("long" * 30))
    folder = DataFolder(place / ("long" * 30))
    with folder.servers(valkey=False):
        url = folder.postgres.url()
        assert as_user(NOBODY, [wheel.programs() / "psql", url, "-c", "SELECT 1"], cwd="/").returncode != 0
        with psycopg.connect(url) as connection:
            socket = Path(connection.info.host) / f".s.PGSQL.{connection.info.port}"
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(host=str(socket.parent), user="postgres", dbname="artistcrawl", password="guessed")
        password = url.partition("postgres:")[2].partition("@")[0]
        assert password not in subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True).stdout


def test_what_lies_above_a_folder_of_roots_is_not_opened_to_everybody(place: Path) -> None:
    need_other_users()
    above = place / "above"
    above.mkdir(mode=0o700)
    prepare_data(above / "data")
    with DataFolder(above / "data").servers(valkey=False):
        assert above.stat().st_mode & 0o007 == 0


def test_a_folder_that_another_user_made_is_refused(theirs: Path) -> None:
    (theirs / "data" / "logs").mkdir(parents=True)
    for folder in (theirs / "data", theirs / "data" / "logs"):
        os.chown(folder, NOBODY, NOBODY)
        folder.chmod(0o777)
    with pytest.raises(ConfigurationError, match="data belongs to nobody, who could change what runs in it"):
        DataFolder(theirs / "data")


def test_a_link_that_another_user_made_is_not_followed(theirs: Path, place: Path) -> None:
    (place / "own").mkdir()
    (theirs / "data").symlink_to(place / "own")
    os.chown(theirs / "data", NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(ConfigurationError, match="is a link that nobody made"):
        DataFolder(theirs / "data")
    assert not list((place / "own").iterdir())


def test_new_folders_are_closed_to_others_whatever_the_umask(place: Path) -> None:
    before = os.umask(0)
    try:
        with DataFolder(place / "above" / "data").run():
            pass
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((place / name).stat().st_mode) for name in ("above", "above/data", "above/data/logs")]
    assert modes == [0o755, 0o700, 0o700]


def test_a_former_folder_that_is_too_open_is_closed(place: Path) -> None:
    prepare_data(place / "data")
    (place / "data" / "logs").mkdir(mode=0o777)
    (place / "data").chmod(0o777)
    DataFolder(place / "data")
    # Root's server, which is another user, passes through by its group.
    assert (place / "data").stat().st_mode & (0o067 if os.geteuid() == 0 else 0o077) == 0
    assert (place / "data" / "logs").stat().st_mode & 0o077 == 0


def test_a_folder_that_others_use_is_only_closed_to_writing(place: Path) -> None:
    (place / "project").mkdir()
    (place / "project").chmod(0o775)
    DataFolder(place / "project")
    assert stat.S_IMODE((place / "project").stat().st_mode) == 0o755


@pytest.mark.parametrize("name", ["logs", "valkey", "run.lock", "servers.lock", "postgres"])
def test_no_link_inside_is_followed(place: Path, name: str) -> None:
    (place / "elsewhere").mkdir()
    (place / "data").mkdir()
    (place / "data" / name).symlink_to(place / "elsewhere")

    def use() -> None:
        folder = DataFolder(place / "data")
        with folder.run(), folder.servers():
            pass

    with pytest.raises(ConfigurationError, match=f"data/{name} "):
        use()
    assert not list((place / "elsewhere").iterdir())


@pytest.mark.parametrize("second_name", ["link", "hard link"])
def test_a_log_that_is_another_file_as_well_stops_the_run(place: Path, second_name: str) -> None:
    (place / "precious").write_text("precious")
    (place / "data" / "logs").mkdir(parents=True)
    log = place / "data" / "logs" / "worker-1.jsonl"
    if second_name == "link":
        log.symlink_to(place / "precious")
    else:
        log.hardlink_to(place / "precious")
    with (
        pytest.raises(ConfigurationError, match=r"worker-1\.jsonl is no file of yours alone"),
        DataFolder(place / "data").run(),
    ):
        pass  # fmt: skip
    assert (place / "precious").read_text() == "precious"


def test_processes_are_ended_only_by_a_note_that_nobody_else_could_write(place: Path) -> None:
    command = ["sleep", "600"]
    (place / "data").mkdir()
    with subprocess.Popen(command) as process:
        note = [{"pid": process.pid, "started_at_s": time.time(), "command": command}]
        children = place / "data" / "children.json"
        children.write_text(json.dumps(note))
        children.chmod(0o666)
        with DataFolder(place / "data").run():
            assert process.poll() is None
        process.kill()


def test_a_note_that_only_its_owners_own_group_could_write_is_believed(place: Path) -> None:
    """As a former version left them under umask 002."""
    command = ["sleep", "600"]
    (place / "data").mkdir()
    with subprocess.Popen(command) as process:
        children = place / "data" / "children.json"
        children.write_text(json.dumps([{"pid": process.pid, "started_at_s": time.time(), "command": command}]))
        children.chmod(0o664)
        own = grp.getgrgid(children.stat().st_gid).gr_name == pwd.getpwuid(os.geteuid()).pw_name
        with DataFolder(place / "data").run():
            assert (process.poll() is not None) == own
        process.kill()


def test_root_ends_no_process_of_another_user(place: Path) -> None:
    need_other_users()
    command = ["sleep", "600"]
    (place / "data").mkdir()
    with subprocess.Popen(command, user=NOBODY) as process:
        note = [{"pid": process.pid, "started_at_s": time.time(), "command": command}]
        (place / "data" / "children.json").write_text(json.dumps(note))
        (place / "data" / "children.json").chmod(0o600)
        with DataFolder(place / "data").run():
            assert process.poll() is None
        process.kill()
