"""The command line of `kubectl crawl`, as far as it needs no cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawl_operator.plugin import cli, complete
from crawl_operator.plugin.jobs import plain
from crawl_operator.plugin.logs import timed

EMPTY = "apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\n"


@pytest.fixture
def no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    path.write_text(EMPTY)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return path


def test_help_names_every_command(capsys) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert [name for name in cli.COMMANDS if name not in shown] == []


@pytest.mark.parametrize(
    "arguments", [["-n", "music", "status"], ["status", "-n", "music"], ["-n", "other", "status", "-n", "music"]]
)
def test_flags_of_the_cluster_stand_before_or_after_the_command(arguments: list[str]) -> None:
    assert cli.parser().parse_args(arguments).namespace == "music"


@pytest.mark.parametrize("arguments", [[], ["stauts"], ["suspend"], ["suspend", "x", "--timeout", "2"], ["logs"]])
def test_a_wrong_command_line_is_exit_status_2(arguments: list[str], capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    assert "kubectl crawl" in capsys.readouterr().err


def test_a_duration_is_answered_with_what_was_meant(capsys) -> None:
    with pytest.raises(SystemExit):
        cli.main(["suspend", "x", "--wait", "--timeout", "90"])
    assert "did you mean 1m30s?" in capsys.readouterr().err


@pytest.mark.parametrize(("context", "text"), [([], "no cluster"), (["--context", "moon"], "no context 'moon'")])
def test_without_a_cluster_the_kubeconfig_is_named(context: list[str], text: str, no_cluster: Path, capsys) -> None:
    assert cli.main(["status", "--kubeconfig", str(no_cluster), *context]) == 78
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("name", ["artists", "crawljob/artists", "crawl/artists", "crawljob.artistcrawl.dev/artists"])
def test_a_name_may_be_written_as_kubectl_prints_it(name: str) -> None:
    assert plain(name) == "artists"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("2026-01-02T11:00:00.123456789Z a b", ("2026-01-02T11:00:00.123456789Z", "a b")),
        ("2026-01-02T11:00:00Z ", ("2026-01-02T11:00:00Z", "")),
        ("unable to retrieve container logs", ("", "unable to retrieve container logs")),
    ],
)
def test_a_log_line_is_told_from_its_time(line: str, found: tuple[str, str]) -> None:
    assert timed(line) == found


@pytest.mark.parametrize(
    ("words", "suggestions"),
    [
        (["re"], ["resume", "restart", "retry-dead-letters"]),
        (["-n", "music", "stat"], ["status"]),
        (["status", "-o", ""], ["json"]),
        (["logs", "--tail", ""], []),
        (["logs", "artists", ""], []),
    ],
)
def test_tab_suggests(words: list[str], suggestions: list[str], capsys) -> None:
    assert complete.main(words) == 0
    assert capsys.readouterr().out.split() == [*suggestions, ":4"]


def test_tab_suggests_no_names_without_a_cluster(no_cluster: Path, capsys) -> None:
    assert complete.main(["--kubeconfig", str(no_cluster), "status", ""]) == 0
    assert capsys.readouterr().out.split() == [":4"]
