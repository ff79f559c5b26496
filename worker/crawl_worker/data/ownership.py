"""Whether a folder is ours to run in, and made so where it is.

A run ends processes and empties logs that its folder names. In a folder that somebody else made, or may write to, each
of these would be theirs to choose.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from crawl_core.errors import ConfigurationError
from crawl_worker.embedded.postgres import cut_short
from crawl_worker.machine.private_files import others_may_write, user_name

_MARKS = ("run.lock", "servers.lock", "postgres.complete")
"""A run made the folder, or used it."""

_FOLDERS = ("logs", "valkey")


def own_folder(path: Path) -> Path:
    """The folder, made where it is missing, and closed to others. Raises ConfigurationError."""
    folder = _resolved(path)
    try:
        _make(folder)
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be made: {error.strerror}; give a folder that you may write to with --data DIR"
        ) from error
    status = _status(folder)
    _check_owner(folder, status)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(f"{folder} is not writable; give a folder that you may write to with --data DIR")
    _close(folder, status)
    for name in _FOLDERS:
        _check_inner(folder / name)
    return folder


def existing_folder(path: Path) -> tuple[Path, int]:
    """A run's folder to look into, as it is, and the user that it belongs to. Raises ConfigurationError."""
    folder = _resolved(path)
    try:
        status = folder.stat()
        holds_data = os.path.lexists(folder / "postgres") if _may_enter(folder, status) else False
    except FileNotFoundError:
        raise ConfigurationError(
            f"{folder} does not exist; give the folder of a run with --data DIR, "
            "or where the data is with --postgres URL and --redis URL"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be read: {error.strerror}; give another --data DIR") from error
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigurationError(f"{folder} is not a folder; give another --data DIR")
    if not holds_data and any(os.path.lexists(folder / name) for name in _MARKS):
        raise cut_short(folder)
    if not holds_data:
        raise ConfigurationError(f"{folder} holds no run's data; give the folder of a run with --data DIR")
    return folder, status.st_uid


def _may_enter(folder: Path, status: os.stat_result) -> bool:
    if os.access(folder, os.X_OK) or not stat.S_ISDIR(status.st_mode):
        return stat.S_ISDIR(status.st_mode)
    owner = user_name(status.st_uid)
    remedy = f"run this as {owner}" + (", or as root" if status.st_uid else "")
    raise ConfigurationError(f"{folder} belongs to {owner}, who alone may look into it: {remedy}")


def _resolved(path: Path) -> Path:
    try:
        path = path.expanduser()
    except RuntimeError as error:
        raise ConfigurationError(
            f"{path}: there is no home folder here; write the whole path with --data DIR"
        ) from error
    if any(ord(character) < 32 for character in str(path.absolute())):
        raise ConfigurationError(
            f"{str(path)!r}: no tab and no line end may be in the folder's name; give another --data DIR"
        )
    _check_links(path.absolute())
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise ConfigurationError(f"{path} leads nowhere: {error}; give another --data DIR") from error


def _check_links(path: Path) -> None:
    """A link on the way that another user made leads where they want, perhaps into a folder of ours."""
    for place in (*reversed(path.parents), path):
        with suppress(OSError):
            status = place.lstat()
            if stat.S_ISLNK(status.st_mode) and status.st_uid not in (0, os.geteuid()):
                raise ConfigurationError(
                    f"{place} is a link that {user_name(status.st_uid)} made; write the folder itself with --data DIR"
                )


def _make(folder: Path) -> None:
    for place in reversed(folder.parents):
        with suppress(FileExistsError):
            # Not for others to write to, whatever the umask: they could put another folder in its place.
            place.mkdir(mode=0o755)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)


def _status(folder: Path) -> os.stat_result:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigurationError(f"{folder} is not a folder; give another --data DIR")
    return status


def _check_owner(folder: Path, status: os.stat_result) -> None:
    if status.st_uid == os.geteuid():
        return
    owner = user_name(status.st_uid)
    writable = status.st_uid == 0 and os.access(folder, os.W_OK | os.X_OK)
    inside = f" (such as --data {folder / 'artistcrawl'})" if writable else ""
    raise ConfigurationError(
        f"{folder} belongs to {owner}, who could change what runs in it; "
        f"give a folder of your own with --data DIR{inside}, or run this as {owner}"
    )


def _close(folder: Path, status: os.stat_result) -> None:
    """Take from others what they could do harm with: in a folder of a run all but the way through, else writing."""
    mode = stat.S_IMODE(status.st_mode)
    ours = any(os.path.lexists(folder / name) for name in _MARKS)
    # Where root's server belongs to another user, its group lets it through.
    closed = mode & (0o710 if os.geteuid() == 0 else 0o700) if ours and others_may_write(status) else mode & ~0o022
    if closed != mode:
        with suppress(OSError):
            folder.chmod(closed)
        if others_may_write(folder.lstat()):
            raise ConfigurationError(
                f"{folder} can be written to by others, and that cannot be changed; give another folder with --data DIR"
            )


def _check_inner(place: Path) -> None:
    """What a run opens inside is a folder of ours, or is made."""
    try:
        status = place.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise ConfigurationError(f"{place} is no folder of yours; move it away, or give another --data DIR")
    if status.st_mode & 0o077:
        place.chmod(0o700)
