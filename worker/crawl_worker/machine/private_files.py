"""Files and folders that are this user's own: opened without following a link, and believed only where nobody else
could have written them.

A run keeps in its folder which processes to end and which logs to empty. Where another user can put a file there, each
of these is a hand on somebody's process or file.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import IO

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH

# A pipe that somebody put there must not block the open either.
_SAFELY = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


_LONGEST_READ_BYTES = 1_000_000


class UntrustedFileError(OSError):
    """A file is a link, no file, or somebody else's."""


def read_private(path: Path, *, owner: int | None = None) -> str:
    """What a small file says. Raises OSError where there is none, and where others could have written it."""
    owners = {os.geteuid() if owner is None else owner}
    with os.fdopen(_checked(os.open(path, os.O_RDONLY | _SAFELY), path, owners=owners, private=True), "rb") as file:
        return os.fsdecode(file.read(_LONGEST_READ_BYTES))


def read_plain(path: Path, *, offset: int = 0) -> str:
    """What a small file says from a byte on, whoever wrote it. Raises OSError where it is a link or no file."""
    with os.fdopen(os.open(path, os.O_RDONLY | _SAFELY), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise UntrustedFileError(f"{path} is no file")
        file.seek(offset)
        return os.fsdecode(file.read(_LONGEST_READ_BYTES))


def write_private(path: Path, text: str) -> None:
    """Replace a file at once; it and its passing form are readable for this user only."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)


def open_appending(path: Path, *, owners: Collection[int] | None = None) -> IO[bytes]:
    """A log of this user's, made when missing. Raises OSError where it is a link or somebody else's."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _SAFELY
    owners = {os.geteuid()} if owners is None else owners
    return os.fdopen(_checked(os.open(path, flags, 0o600), path, owners=owners, private=False), "ab")


def open_private(path: Path, *, writable: bool = False) -> IO[bytes]:
    """A file of this user's that there is. Raises OSError where there is none, or it is a link or somebody else's."""
    flags = (os.O_RDWR if writable else os.O_RDONLY) | _SAFELY
    descriptor = _checked(os.open(path, flags), path, owners={os.geteuid()}, private=False)
    return os.fdopen(descriptor, "r+b" if writable else "rb")


def is_own_file(path: Path) -> bool:
    """Whether it is a file of this user's that has no other name, and no link."""
    try:
        return _fault(path.lstat(), owners={os.geteuid()}, private=False) is None
    except OSError:
        return False


def make_private_folder(folder: Path) -> None:
    """Make a folder of this user's, or take away what others may do in it. Raises UntrustedFileError where it is a
    link or somebody else's.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise UntrustedFileError(f"{folder} is no folder of yours")
    if status.st_mode & 0o077:
        folder.chmod(0o700)


def others_may_write(status: os.stat_result) -> bool:
    """Whether somebody beside the owner may."""
    return bool(status.st_mode & _OTHERS_WRITE)


def user_name(uid: int) -> str:
    """What people call a user; a user need not have a name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user {uid}"


def _checked(descriptor: int, path: Path, *, owners: Collection[int], private: bool) -> int:
    fault = _fault(os.fstat(descriptor), owners=owners, private=private)
    if fault is not None:
        os.close(descriptor)
        raise UntrustedFileError(f"{path} {fault}")
    # Blocking again: only the open was not to wait.
    os.set_blocking(descriptor, True)
    return descriptor


def _fault(status: os.stat_result, *, owners: Collection[int], private: bool) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return "is no file"
    if status.st_uid not in owners:
        return f"belongs to {user_name(status.st_uid)}"
    if status.st_nlink > 1:
        return "has a second name"
    shared = others_may_write(status) and not _is_their_own_group(status)
    return "can be written by others" if private and shared else None


def _is_their_own_group(status: os.stat_result) -> bool:
    """Whether only the owner's own group may write beside the owner: a former version's files, under umask 002."""
    if status.st_mode & stat.S_IWOTH:
        return False
    with suppress(KeyError):
        group, owner = grp.getgrgid(status.st_gid), pwd.getpwuid(status.st_uid).pw_name
        return group.gr_name == owner and set(group.gr_mem) <= {owner}
    return False
