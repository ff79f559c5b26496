"""Who PostgreSQL runs as where root starts it, for it refuses to be root: a user of its own, let through by its groups.

Nobody else gets a right by it. What root owns may become passable for its own group; what others own stays as it is.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crawl_core.errors import ConfigurationError
from crawl_worker.machine.private_files import user_name

USER = "pgserver"

_WITHOUT_NAME = 60_999
"""The user's number where no program can make a user: one that no system gives out by itself."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user, with the groups that let it pass."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    @property
    def popen(self) -> dict[str, Any]:
        """What subprocess wants to be told, to run a program as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": list(self.groups)}


def running_as_root() -> bool:
    """Whether this process is root: PostgreSQL then runs as a user of its own."""
    return os.geteuid() == 0


def server_account() -> Account:
    """The server's user, made when missing."""
    try:
        entry = pwd.getpwnam(USER)
    except KeyError:
        if not _make_user():
            return Account(_WITHOUT_NAME, _WITHOUT_NAME)
        entry = pwd.getpwnam(USER)
    return Account(entry.pw_uid, entry.pw_gid)


def _make_user() -> bool:
    program = shutil.which("useradd", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))
    if program is None:
        return False
    command = [program, "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", USER]
    made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)
    return made.returncode == 0


def let_through(account: Account, *, data: Path, programs: Path) -> Account:
    """The account with the groups that it needs to reach its data (whose folder's folder is ours) and its programs."""
    ours = data.parent.stat()
    if not ours.st_mode & stat.S_IXOTH and ours.st_gid != account.gid:
        os.chown(data.parent, -1, account.gid)
    groups = _open_programs(programs)
    ways = [*data.parents, *programs.parents, programs]
    groups |= {status.st_gid for status in map(os.stat, ways) if not status.st_mode & stat.S_IXOTH}
    _open_ways(ways, account, groups | {account.gid})
    return Account(account.uid, account.gid, tuple(sorted(groups)))


def _open_ways(ways: Iterable[Path], account: Account, groups: set[int]) -> None:
    for folder in ways:
        status = folder.stat()
        needed = stat.S_IXGRP if status.st_gid in groups else stat.S_IXOTH
        if status.st_mode & needed or status.st_uid == account.uid:
            continue
        if status.st_uid != 0:
            raise ConfigurationError(
                f"where root starts it, PostgreSQL runs as {user_name(account.uid)}, who may not pass {folder} of "
                f"{user_name(status.st_uid)}: give a folder elsewhere with --data DIR, or run this as that user"
            )
        folder.chmod(stat.S_IMODE(status.st_mode) | needed)


def _open_programs(programs: Path) -> set[int]:
    """Let the programs' group read them, where they were installed for root alone. The groups that may read them."""
    status = (programs / "postgres").stat()
    if status.st_mode & stat.S_IROTH and status.st_mode & stat.S_IXOTH:
        return set()
    for top in (programs.parent, *programs.parents[1].parent.glob(f"{programs.parents[1].name}.libs")):
        for path in (top, *top.rglob("*")):
            mode = stat.S_IMODE(path.lstat().st_mode)
            if not path.is_symlink():
                path.chmod(mode | (mode & 0o500) >> 3)
    return {status.st_gid}
