"""What a user sees who gave the wrong file, folder, address or password: one message, the remedy, status 78."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest
from support.fakes.ledgers import open_ledger, record
from support.processes.run_process import write_job
from support.processes.servers import Valkey

from crawl_core.backends.migrate import older_schema
from crawl_core.errors import ConfigurationError
from crawl_worker import cli
from crawl_worker.data.backends import Urls, reached
from crawl_worker.local import run

NOWHERE = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody's data folder is in the current directory, and no address in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("POSTGRES_URL", "REDIS_URL", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(f"ARTISTCRAWL_{name}", raising=False)


@pytest.fixture
def job(tmp_path: Path) -> str:
    return str(write_job(tmp_path / "job.yaml"))


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 78) -> str:
    """What stderr says, without a traceback."""
    assert cli.main(arguments) == status
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return err


def test_a_missing_file(capsys) -> None:
    assert "No such file or directory; write the path" in refused(capsys, "run", "nothing.yaml")


def test_a_file_that_is_not_yaml(capsys, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("spec: [")
    assert "bad.yaml: 1 problem" in refused(capsys, "run", "bad.yaml")


def test_a_refusal_is_an_object_for_programs_as_well(capsys) -> None:
    assert cli.main(["run", "nothing.yaml", "--json"]) == 78
    said = json.loads(capsys.readouterr().out)
    assert (said["state"], said["requests"], said["dead_letters"]) == ("Refused", 0, 0)
    assert "No such file or directory" in said["message"]


def test_an_error_of_its_own_is_an_object_for_programs_as_well(capsys, monkeypatch, job: str) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(run, "_check", broken)
    assert cli.main(["run", job, "--json"]) == 1
    shown = capsys.readouterr()
    said = json.loads(shown.out)
    assert (said["state"], said["requests"]) == ("Failed", 0)
    assert "run met an error of its own: ZeroDivisionError" in said["message"]
    assert said["message"] in shown.err


def test_a_spec_with_several_problems_shows_all(capsys, tmp_path: Path) -> None:
    write_job(tmp_path / "bad.yaml", rateLimit={"window": "30"}, workers={"max": 0})
    said = refused(capsys, "validate", "bad.yaml")
    assert "2 problems" in said
    assert "spec.rateLimit.window" in said
    assert "spec.workers.max" in said


def test_a_missing_catalogue(capsys, job: str) -> None:
    assert "--catalogue none.parquet: no such file" in refused(capsys, "run", job, "--catalogue", "none.parquet")


def test_a_catalogue_that_nobody_can_read_is_found_before_any_server_is_made(capsys, job: str, tmp_path: Path) -> None:
    (tmp_path / "artists.txt").touch()
    said = refused(capsys, "run", job, "--catalogue", "artists.txt", "--data", "new")
    assert "--catalogue artists.txt: give a file that ends in .parquet or .csv" in said
    assert not (tmp_path / "new").exists()


def test_no_processes(capsys, job: str) -> None:
    assert "write 1 or more" in refused(capsys, "run", job, "--processes", "0")


def test_the_real_api_without_credentials(capsys, tmp_path: Path) -> None:
    source = {"type": "Spotify", "termsAccepted": True, "credentialsSecretRef": {"name": "spotify"}}
    write_job(tmp_path / "real.yaml", source=source)
    assert "ARTISTCRAWL_CLIENT_ID" in refused(capsys, "run", "real.yaml")


def test_an_unreachable_postgres(capsys, job: str, redis_url: str) -> None:
    url = f"postgresql://me:hunter2@{NOWHERE}/ledger"
    said = refused(capsys, "run", job, "--postgres", url, "--redis", redis_url, status=1)
    assert "PostgreSQL cannot be reached" in said
    assert "hunter2" not in said


def test_a_command_that_cannot_reach_postgres_says_what_to_correct_in_one_line(capsys) -> None:
    said = refused(capsys, "status", "--postgres", f"postgresql://me:hunter2@{NOWHERE}/ledger", status=1)
    assert said.endswith("; start that server, or correct --postgres URL (or $ARTISTCRAWL_POSTGRES_URL)\n")
    warning, reason = said.splitlines()
    assert "everybody on this machine can read" in warning
    assert "Connection refused" in reason


def test_a_command_says_what_it_waits_for_where_postgres_is_mute(capsys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"postgresql://me@127.0.0.1:{mute.getsockname()[1]}/ledger"
        said = refused(capsys, "status", "--postgres", url, status=1)
    assert f"waiting for PostgreSQL at {url} to answer (Ctrl-C ends it)" in said


def test_a_ledger_that_others_may_share_needs_a_redis_that_they_share(capsys, job: str, ledger_url: str) -> None:
    assert "write --redis redis://HOST:6379/0 as well" in refused(capsys, "run", job, "--postgres", ledger_url)


def test_a_postgres_url_that_is_none(capsys, job: str, redis_url: str) -> None:
    said = refused(capsys, "run", job, "--postgres", "ledger", "--redis", redis_url)
    assert "write postgresql://USER:PASSWORD@HOST:5432/DATABASE" in said


def test_a_database_that_is_not_there(capsys, database_url: str) -> None:
    said = refused(capsys, "status", "--postgres", database_url.replace("/t_", "/missing_"))
    assert "no such database" in said


def test_a_ledger_that_was_never_migrated(capsys, database_url: str) -> None:
    assert "artistcrawl migrate" in refused(capsys, "status", "--postgres", database_url)


def test_an_unreachable_redis(capsys, job: str, ledger_url: str) -> None:
    redis_url = f"redis://:hunter2@{NOWHERE}/0"
    said = refused(capsys, "run", job, "--postgres", ledger_url, "--redis", redis_url, status=1)
    assert "cannot be reached" in said
    assert "correct --redis URL" in said
    assert "hunter2" not in said


def test_an_unreachable_redis_is_found_before_a_postgres_is_set_up(capsys, job: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    refused(capsys, "run", job, "--data", str(data), "--redis", f"redis://{NOWHERE}/0", status=1)
    assert not (data / "postgres").exists()


def test_a_wrong_redis_password(capsys, job: str, ledger_url: str, fresh_redis: Valkey) -> None:
    with fresh_redis.client() as client:
        client.config_set("requirepass", "right")
    url = f"redis://:wrong@127.0.0.1:{fresh_redis.port}/0"
    assert "refuses the user or the password" in refused(capsys, "run", job, "--postgres", ledger_url, "--redis", url)


@pytest.mark.parametrize("command", ["status", "migrate", "psql", "retry-dead-letters"])
def test_a_command_without_data(capsys, command: str) -> None:
    assert "give the folder of a run with --data DIR" in refused(capsys, command)


def test_a_string_that_is_no_dead_letter(capsys, ledger_url: str) -> None:
    async def record_job() -> None:
        async with open_ledger(ledger_url) as ledger:
            await record(ledger)

    asyncio.run(record_job())
    said = refused(capsys, "retry-dead-letters", "--string", "zzzz", "--postgres", ledger_url)
    assert "zzzz: not among the 0 dead letters of default/artists" in said


def test_a_data_folder_without_a_schema_has_no_crawl_yet(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError, match=r"no crawl in .*/data yet; start one: artistcrawl run FILE"),
        reached(Urls(postgres="", redis=""), folder=tmp_path / "data"),
    ):
        raise older_schema(0, 4)


def test_an_export_without_a_format(capsys, ledger_url: str) -> None:
    said = refused(capsys, "export", "artists", "--postgres", ledger_url, "--output", "artists.txt")
    assert "Write --format parquet, csv or jsonl" in said


def test_unfreeze_without_redis(capsys, ledger_url: str) -> None:
    assert "give --redis URL" in refused(capsys, "unfreeze", "some-bucket", "--postgres", ledger_url)


def test_an_unknown_bucket(capsys, ledger_url: str, redis_url: str) -> None:
    said = refused(capsys, "unfreeze", "nobodys", "--postgres", ledger_url, "--redis", redis_url)
    assert "'nobodys' is no bucket of this ledger; it has: none" in said


def test_addresses_may_come_from_the_environment(capsys, monkeypatch, ledger_url: str) -> None:
    monkeypatch.setenv("ARTISTCRAWL_POSTGRES_URL", ledger_url)
    assert cli.main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_migrate_says_what_it_did(capsys, database_url: str) -> None:
    assert cli.main(["migrate", "--postgres", database_url]) == 0
    assert "applied: ledger" in capsys.readouterr().out
    assert cli.main(["migrate", "--postgres", database_url]) == 0
    assert "nothing to do" in capsys.readouterr().out
