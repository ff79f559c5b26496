"""The folder in /tmp that the wheel's PostgreSQL keeps its lock in: this user's own, or none."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from crawl_core.errors import ConfigurationError
from crawl_worker.embedded import wheel


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("LOGNAME", "somebody-else")
    return tmp_path / f"artistcrawl-{os.geteuid()}"


def test_it_is_named_by_the_user_that_runs_and_not_by_what_the_environment_says(runtime: Path) -> None:
    with wheel.own_runtime_folder():
        assert os.environ["XDG_RUNTIME_DIR"] == str(runtime)
        assert runtime.stat().st_mode & 0o077 == 0


def test_a_link_that_somebody_put_there_is_refused(runtime: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    runtime.symlink_to(target)
    with pytest.raises(ConfigurationError, match="must be a folder of yours"), wheel.own_runtime_folder():
        pass
    assert not list(target.iterdir())


def test_somebody_elses_folder_is_refused(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: runtime.stat().st_uid + 1)
    with pytest.raises(ConfigurationError, match="must be a folder of yours"):
        wheel.make_private(runtime)
