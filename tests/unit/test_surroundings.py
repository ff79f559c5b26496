"""What an embedded server is given of the user's surroundings: where programs and libraries are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crawl_worker.embedded.surroundings import environment, forget_libpq_variables, is_plain, make_plain_folder


def test_a_server_is_told_where_programs_are_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LANG", "LC_TIME", "TZ", "PGPORT", "LD_PRELOAD", "HOME"):
        monkeypatch.setenv(name, "odd")
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    assert environment() == {"PATH": "/bin", "LC_ALL": "C"}


def test_every_variable_of_libpq_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOSTADDR", "PGSERVICE", "PGOPTIONS", "PGSOMETHINGNEW"):
        monkeypatch.setenv(name, "odd")
    forget_libpq_variables()
    assert not [name for name in os.environ if name.startswith("PG")]


@pytest.mark.parametrize("name", ["/a b", "/a,b", "/a$b", "/a'b", "/a\nb", "/\u00e4", "/a%b"])
def test_a_path_that_a_program_could_misread_is_not_plain(name: str) -> None:
    assert not is_plain(Path(name))


def test_a_temporary_folder_with_an_odd_name_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a, b").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "a, b"))
    folder = make_plain_folder()
    folder.rmdir()
    assert is_plain(folder)
