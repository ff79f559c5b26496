"""The embedded servers have surroundings of their own: no name, variable or leftover keeps them from starting."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from support.processes.other_users import NAMELESS, as_user, need_other_users, python
from support.processes.run_process import prepare_data, wait_until
from support.processes.servers import server_folder

from crawl_core.errors import ConfigurationError
from crawl_worker.data.data_folder import DataFolder
from crawl_worker.embedded import EmbeddedPostgres, wheel
from crawl_worker.embedded.waiting import Waiting

ASK = """
import sys, psycopg, redis
from crawl_worker.data.data_folder import DataFolder
folder = DataFolder(__import__("pathlib").Path(sys.argv[1]))
with folder.servers():
    with psycopg.connect(folder.postgres.url()) as connection:
        print(connection.execute("SELECT lower('\u00c4')").fetchone()[0])
    print(redis.Redis.from_url(folder.valkey.url).ping())
"""
"""Starts the servers on a folder, and asks each of them something."""


@pytest.fixture
def place() -> Iterator[Path]:
    with server_folder() as folder:
        yield folder


def ask(data: Path, **environment: str) -> str:
    variables = {"PATH": os.environ["PATH"], "PYTHONUTF8": "1"} | environment
    asked = subprocess.run(
        [sys.executable, "-c", ASK, data], env=variables, cwd=data.parent, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    return asked.stdout


@pytest.mark.parametrize(
    "name",
    [
        "my crawl, 50% & more",
        "a,b",
        'it\'s "quoted"',
        "$(touch ran)`touch ran`;touch ran",
        "k\u00f6ln \u6771\u4eac",
        "-D x",
        "[a-z]*?",
        "\\{x}*",
        "long" * 40,
    ],
)
def test_a_folder_may_have_any_name(place: Path, name: str) -> None:
    prepare_data(place / name)
    assert ask(place / name) == "\u00e4\nTrue\n"
    assert [entry.name for entry in place.iterdir()] == [name]


def test_setting_up_runs_no_piece_of_the_folders_name(place: Path) -> None:
    assert ask(place / "$(touch ran)") == "\u00e4\nTrue\n"
    assert [entry.name for entry in place.iterdir()] == ["$(touch ran)"]


@pytest.mark.parametrize(
    "environment",
    [
        {"LANG": "en_US.UTF-8", "LC_ALL": "tlh_QO.UTF-8"},
        {"PGHOSTADDR": "127.0.0.9", "PGPORT": "1", "PGSSLMODE": "verify-full", "PGREQUIREAUTH": "gss"},
        {"PGSERVICE": "nowhere", "PGSERVICEFILE": "/nowhere", "PGPASSFILE": "/nowhere", "PGUSER": "x"},
        {"PGOPTIONS": "-c nonsense=1", "PGCLIENTENCODING": "KLINGON", "PGTZ": "Nowhere/At_All", "PGDATESTYLE": "odd"},
        {"PGTARGETSESSIONATTRS": "read-only", "PGCHANNELBINDING": "require", "PGDATA": "/nowhere", "PGAPPNAME": "x"},
        {"TMPDIR": "/nowhere", "XDG_RUNTIME_DIR": "/nowhere", "HOME": "/nowhere", "TZ": "Nowhere"},
    ],
    ids=lambda environment: next(iter(environment)),
)
def test_the_users_variables_do_not_matter(place: Path, environment: dict[str, str]) -> None:
    prepare_data(place / "data")
    assert ask(place / "data", **environment) == "\u00e4\nTrue\n"


def test_a_first_start_is_not_set_up_by_the_users_locale(place: Path) -> None:
    assert ask(place / "data", LANG="en_US.UTF-8", LC_ALL="tlh_QO.UTF-8", PGDATA="/nowhere") == "\u00e4\nTrue\n"


def test_a_user_without_a_name_and_a_home_sets_up_and_starts_the_servers(place: Path) -> None:
    need_other_users()
    place.chmod(0o777)
    asked = as_user(NAMELESS, [python(), "-c", ASK, place / "data"], cwd=place, env={"PYTHONUTF8": "1"})
    assert asked.stdout == "\u00e4\nTrue\n", asked.stderr
    assert not [entry for entry in Path("/tmp").glob("artistcrawl-initdb-*") if entry.stat().st_uid == NAMELESS]


def test_a_relative_path_a_trailing_slash_and_a_linked_parent_lead_to_one_folder(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "real").mkdir()
    (place / "link").symlink_to(place / "real")
    monkeypatch.chdir(place)
    assert DataFolder(Path("link/data/")).path == DataFolder(place / "real" / "data").path


@pytest.mark.parametrize("name", ["two\nlines", "a\ttab"])
def test_a_name_with_a_line_end_or_a_tab_is_refused(place: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="no tab and no line end may be in the folder's name"):
        DataFolder(place / name)


def test_the_socket_lies_in_a_folder_of_its_users_alone_and_goes_with_the_server(place: Path) -> None:
    prepare_data(place / "data")
    server = EmbeddedPostgres(place / "data" / "postgres")
    server.start()
    with psycopg.connect(server.url()) as connection:
        folder = Path(connection.info.host)
    try:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert len(str(folder)) < 40
    finally:
        server.stop()
    assert not folder.exists()


def test_a_server_that_is_started_again_comes_back_at_its_address(place: Path) -> None:
    prepare_data(place / "data")
    server = EmbeddedPostgres(place / "data" / "postgres")
    server.start()
    url = server.url()
    os.kill(server.pid or 0, 9)
    while server.running:
        time.sleep(0.01)
    server.start()
    try:
        assert server.url() == url
        psycopg.connect(url).close()
    finally:
        server.stop()


def test_a_server_that_fails_to_start_again_at_first_comes_back_at_its_address(place: Path) -> None:
    prepare_data(place / "data")
    first = EmbeddedPostgres(place / "data" / "postgres")
    first.start()
    server = EmbeddedPostgres(place / "data" / "postgres")
    server.start()
    url, configuration = server.url(), server.folder / "postgresql.conf"
    process, right = psutil.Process(server.pid), configuration.read_text()
    process.send_signal(signal.SIGINT)
    wait_until(lambda: not first.running, "PostgreSQL to stop")
    configuration.write_text("nonsense = 1\n")
    with pytest.raises(ConfigurationError, match="contains errors"):
        server.start()
    configuration.write_text(right)
    server.start()
    try:
        assert server.url() == url
        psycopg.connect(url).close()
    finally:
        server.stop()


@pytest.mark.parametrize(
    "whose", ["nobody's any more", "a stranger's", "a stranger's in the folder", "another server's"]
)
def test_a_note_of_a_server_that_is_gone_stops_nobody(place: Path, whose: str) -> None:
    prepare_data(place / "data")
    prepare_data(place / "other")
    other = EmbeddedPostgres(place / "other" / "postgres")
    other.start()
    folder = place / "data" / "postgres"
    with subprocess.Popen(["sleep", "600"], cwd=folder if "in the folder" in whose else place) as stranger:
        pid = {"nobody's any more": 4_194_303, "another server's": other.pid}.get(whose, stranger.pid)
        note = f"{pid}\n{folder}\n{int(time.time())}\n5432\n{folder}\n\n  1 1\nready   \n"
        (folder / "postmaster.pid").write_text(note)
        try:
            assert ask(place / "data") == "\u00e4\nTrue\n"
            assert stranger.poll() is None
            assert other.ready
        finally:
            stranger.kill()
            other.stop()


@pytest.mark.parametrize("first_line", ["", "-1", "0", "2", "99999999999", "nan", "9" * 5000, "garbage"])
def test_a_note_that_names_no_process_of_a_server_stops_nobody(place: Path, first_line: str) -> None:
    folder = place / "data" / "postgres"
    folder.mkdir(parents=True)
    (folder / "postmaster.pid").write_text(
        f"{first_line}\n{folder}\n{int(time.time())}\n5432\n/tmp\n\n  1 1\nready   \n"
    )
    assert not EmbeddedPostgres(folder).running


def test_a_folder_in_the_notes_place_is_named(place: Path) -> None:
    prepare_data(place / "data")
    (place / "data" / "postgres" / "postmaster.pid").mkdir()
    with pytest.raises(ConfigurationError, match=r"postmaster\.pid is a folder"):
        EmbeddedPostgres(place / "data" / "postgres").start()


def test_what_keeps_postgres_from_starting_is_quoted(place: Path) -> None:
    prepare_data(place / "data")
    server = EmbeddedPostgres(place / "data" / "postgres")
    with (server.folder / "postgresql.conf").open("a") as file:
        file.write("shared_buffers = plenty\n")
    with pytest.raises(
        ConfigurationError, match=r'postgresql.conf" contains errors \(.*/log\); or give --postgres URL'
    ):
        server.start()
    assert not server.running


def test_what_keeps_initdb_from_its_work_is_quoted(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = place / "bin"
    programs.mkdir()
    for name in ("initdb", "postgres"):
        (programs / name).write_text("#!/bin/sh\necho 'initdb: error: no room on this disk' >&2; exit 1\n")
        (programs / name).chmod(0o755)
    place.chmod(0o755)
    monkeypatch.setattr(wheel, "programs", lambda: programs)
    server = EmbeddedPostgres(place / "data" / "postgres")
    (place / "data").mkdir()
    with pytest.raises(ConfigurationError, match=r"cannot be set up in .*: initdb: error: no room on this disk"):
        server.start()


def test_a_full_disk_is_named_though_initdb_clears_up_after_it() -> None:
    said = """creating configuration files ... ok
running bootstrap script ... 2026-11-29 11:31:15.404 UTC [13086] FATAL:  could not extend file "base/1/2691": No space left on device
2026-11-29 11:31:15.404 UTC [13086] HINT:  Check free disk space.
2026-11-29 11:31:15.404 UTC [13086] PANIC:  cannot abort transaction 1, it was already committed
Aborted
child process exited with exit code 134
initdb: removing data directory "/data/postgres"
"""  # noqa: E501
    assert wheel.reason(said.splitlines()) == (
        'FATAL: could not extend file "base/1/2691": No space left on device | HINT: Check free disk space. '
        "| PANIC: cannot abort transaction 1, it was already committed"
    )


def test_a_start_that_takes_long_is_told_and_can_be_called_off(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = place / "bin"
    programs.mkdir()
    for name in ("initdb", "postgres"):
        (programs / name).write_text(f"#!/bin/sh\necho $$ > {place}/pid; exec sleep 600\n")
        (programs / name).chmod(0o755)
    place.chmod(0o777)
    monkeypatch.setattr(wheel, "programs", lambda: programs)

    def call_off(what: str) -> None:
        raise KeyboardInterrupt(what)

    (place / "data").mkdir()
    server = EmbeddedPostgres(place / "data" / "postgres", waiting=Waiting(call_off, after_s=0.5))
    with pytest.raises(KeyboardInterrupt, match="PostgreSQL to be set up in"):
        server.start()
    assert not psutil.pid_exists(int((place / "pid").read_text()))


def test_a_locale_that_is_gone_is_named_with_what_to_do(place: Path) -> None:
    prepare_data(place / "data")
    server = EmbeddedPostgres(place / "data" / "postgres")
    with (server.folder / "postgresql.conf").open("a") as file:
        file.write("lc_time = 'tlh_QO.UTF-8'\n")
    with pytest.raises(
        ConfigurationError, match=r'"lc_time": "tlh_QO.UTF-8".*made with a locale that this machine lacks'
    ):
        server.start()


def test_a_folder_of_the_version_before_wants_a_password_from_its_next_start_on(place: Path) -> None:
    prepare_data(place / "data")
    folder = place / "data" / "postgres"
    (place / "data" / "postgres.password").unlink()
    (folder / ".artistcrawl").rename(folder / ".handle_pids.json")
    (folder / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 trust\n")
    server = EmbeddedPostgres(folder)
    server.start()
    try:
        with_password = server.url()
        assert "trust" not in (folder / "pg_hba.conf").read_text()
        psycopg.connect(with_password).close()
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"{with_password.partition(':')[0]}://postgres@/{with_password.partition('@/')[2]}")
    finally:
        server.stop()


def test_a_password_that_was_lost_is_replaced(place: Path) -> None:
    prepare_data(place / "data")
    shutil.copytree(place / "data", place / "copy", symlinks=True, copy_function=shutil.copy2)
    if os.geteuid() == 0:
        status = (place / "data" / "postgres").stat()
        subprocess.run(["chown", "-R", f"{status.st_uid}:{status.st_gid}", place / "copy" / "postgres"], check=True)
    (place / "copy" / "postgres.password").unlink()
    assert ask(place / "copy") == "\u00e4\nTrue\n"
    assert (place / "copy" / "postgres.password").read_text() != (place / "data" / "postgres.password").read_text()
