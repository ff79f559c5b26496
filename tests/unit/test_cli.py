"""The command line's front door: what a user sees when something is wrong."""

from __future__ import annotations

import sys
import types

import pytest

from crawl_core.errors import ArtistcrawlError, ConfigurationError
from crawl_worker import cli


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
    assert "did you mean 'status'?" in capsys.readouterr().err


def test_a_command_gets_its_own_arguments(command) -> None:
    given: list[str] = []

    def five(argv: list[str]) -> int:
        given.extend(argv)
        return 5

    command(five)
    assert cli.main(["status", "--json", "artists"]) == 5
    assert given == ["--json", "artists"]


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
