"""The command line's front door: what a user sees when something is wrong."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import time
import types

import pytest

from crawl_core.errors import ArtistcrawlError, ConfigurationError
from crawl_worker import cli, entry


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch):
    """Makes `artistcrawl status` do what a test wants."""

    def install(action) -> None:
        module = types.ModuleType("a_command")
        module.main = action  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "a_command", module)
        monkeypatch.setitem(cli.COMMANDS, "status", ("a_command:main", "for tests"))

    return install


def raising(error: BaseException):
    def action(argv):
        raise error

    return action


def test_without_a_command_it_shows_how_to_start_and_fails(capsys) -> None:
    assert cli.main([]) == 2
    assert "artistcrawl run k8s/samples/quickstart.yaml" in capsys.readouterr().err


def test_help_lists_every_command_on_stdout(capsys) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [name for name in cli.COMMANDS if name not in shown] == []


def test_version_is_the_packages(capsys) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("artistcrawl 0.")


def test_an_unknown_command_is_answered_with_the_nearest_one(capsys) -> None:
    assert cli.main(["stauts"]) == 2
    assert capsys.readouterr().err == "artistcrawl: unknown command 'stauts'; did you mean 'status'?\n"


def test_a_command_gets_its_own_arguments(command) -> None:
    given: list[str] = []

    def five(argv: list[str]) -> int:
        given.extend(argv)
        return 5

    command(five)
    assert cli.main(["status", "--json", "artists"]) == 5
    assert given == ["--json", "artists"]


@pytest.mark.parametrize(
    "words",
    [
        ["--postgres", "postgresql://me:hunter2@db/ledger"],
        ["--postgres=postgres://me@db/ledger?sslmode=require&password=hunter2"],
        ["--redis", "rediss://:hunter2@redis:6379/0"],
    ],
)
def test_a_password_on_the_command_line_is_warned_of_by_the_names_of_the_variables(command, capsys, words) -> None:
    command(lambda argv: 0)
    assert cli.main(["status", *words]) == 0
    warning = capsys.readouterr().err
    assert "ARTISTCRAWL_POSTGRES_URL" in warning
    assert "hunter2" not in warning


@pytest.mark.parametrize("url", ["postgresql://me@db/ledger", "redis://redis:6379/0", "postgresql://db:5432/ledger"])
def test_a_url_without_a_password_is_not(command, capsys, url: str) -> None:
    command(lambda argv: 0)
    assert cli.main(["status", "--postgres", url]) == 0
    assert capsys.readouterr().err == ""


def test_a_configuration_error_is_one_message_and_status_78(command, capsys) -> None:
    command(raising(ConfigurationError("write requests: 10")))
    assert cli.main(["status"]) == 78
    assert capsys.readouterr().err == "artistcrawl: write requests: 10\n"


def test_any_other_error_of_ours_is_one_message_and_status_1(command, capsys) -> None:
    command(raising(ArtistcrawlError("redis does not answer")))
    assert cli.main(["status"]) == 1
    assert capsys.readouterr().err == "artistcrawl: redis does not answer\n"


def test_a_defect_shows_no_traceback_but_asks_for_a_report(command, capsys) -> None:
    command(raising(ZeroDivisionError("division by zero")))
    assert cli.main(["status"]) == 1
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert "ZeroDivisionError: division by zero" in shown
    assert "report" in shown


def test_a_traceback_is_shown_to_whoever_asks(command, capsys, monkeypatch) -> None:
    monkeypatch.setenv("ARTISTCRAWL_DEBUG", "1")
    command(raising(ZeroDivisionError()))
    cli.main(["status"])
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "state", "status"),
    [
        (ConfigurationError("write requests: 10"), "Refused", 78),
        (ArtistcrawlError("redis does not answer"), "Failed", 1),
        (ModuleNotFoundError("No module named 'rich'", name="rich"), "Refused", 78),
        (ZeroDivisionError("division by zero"), "Failed", 1),
        (MemoryError(), "Failed", 1),
        (OSError(errno.ENOSPC, "No space left on device", "/data"), "Failed", 1),
        (KeyboardInterrupt(), "Interrupted", 130),
    ],
)
def test_with_json_every_end_is_one_object_on_stdout(command, capsys, error: BaseException, state, status: int) -> None:
    command(raising(error))
    assert cli.main(["status", "--json"]) == status
    shown = capsys.readouterr()
    said = json.loads(shown.out)
    assert said["state"] == state
    assert shown.err == f"artistcrawl: {said['message']}\n"


@pytest.mark.parametrize("name", ["run", "status", "retry-dead-letters"])
def test_a_wrong_command_line_with_json_is_an_object_as_well(name: str, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main([name, "--json", "--no-such-flag"])
    said = json.loads(capsys.readouterr().out)
    assert said["state"] == "Refused"
    assert said["message"].startswith("the command line is wrong: ")
    assert "--no-such-flag" in said["message"] or "required" in said["message"]


def test_a_run_that_ends_before_it_begins_has_the_keys_of_every_run(capsys, tmp_path) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["run", "--json"])
    early = json.loads(capsys.readouterr().out)
    assert cli.main(["run", str(tmp_path / "nothing.yaml"), "--json"]) == 78
    assert early.keys() == json.loads(capsys.readouterr().out).keys()
    assert (early["job"], early["requests"], early["data"]) == ("", 0, None)


def test_a_message_of_several_lines_is_one_line_for_programs(capsys, tmp_path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("spec: {workers: {max: 0}, rateLimit: {window: '30'}}")
    assert cli.main(["run", str(bad), "--json"]) == 78
    shown = capsys.readouterr()
    assert "\n" not in json.loads(shown.out)["message"]
    assert len(shown.err.splitlines()) > 2


@pytest.mark.parametrize("flag", ["--data=", "--data= "])
def test_an_empty_folder_name_is_not_the_folder_one_is_in(capsys, flag: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["status", flag])
    assert "it is empty: write a folder's name" in capsys.readouterr().err


def test_what_the_machine_refuses_is_said_with_the_remedy_and_is_no_defect(command, capsys) -> None:
    command(raising(OSError(errno.ENOSPC, "No space left on device", "/data/run.lock")))
    cli.main(["status"])
    shown = capsys.readouterr().err
    assert shown == "artistcrawl: /data/run.lock: No space left on device: make room there, then run it again\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_ended_by_a_signal_clears_up_and_says_so(command, capsys, number: signal.Signals) -> None:
    cleared: list[bool] = []

    def action(argv) -> int:
        try:
            os.kill(os.getpid(), number)
            time.sleep(60)
        finally:
            cleared.append(True)
        return 0

    command(action)
    before = signal.signal(number, signal.SIG_DFL)
    try:
        assert cli.main(["status", "--json"]) == 130
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert json.loads(capsys.readouterr().out)["state"] == "Interrupted"
    assert cleared == [True]


def test_ctrl_c_while_it_is_imported_is_told_in_words(monkeypatch, capsys) -> None:
    def interrupted(name: str) -> object:
        raise KeyboardInterrupt

    importing = types.ModuleType("crawl_worker.cli")
    importing.__getattr__ = interrupted  # type: ignore[method-assign]
    monkeypatch.setitem(sys.modules, "crawl_worker.cli", importing)
    assert entry.main() == 130
    assert capsys.readouterr().err == "artistcrawl: interrupted\n"


def test_ctrl_c_is_status_130(command) -> None:
    command(raising(KeyboardInterrupt()))
    assert cli.main(["status"]) == 130


@pytest.mark.parametrize(("module", "extra"), [("rich", "local"), ("aiohttp", "worker"), ("pyarrow.parquet", "export")])
def test_a_missing_extra_is_answered_with_the_line_to_run(command, capsys, module: str, extra: str) -> None:
    command(raising(ModuleNotFoundError(f"No module named {module!r}", name=module)))
    assert cli.main(["status"]) == 78
    assert f"pip install 'artistcrawl[{extra}]'" in capsys.readouterr().err


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_can_be_imported(name: str) -> None:
    assert callable(cli._load(name))
