"""Other users of this machine, for whoever runs the tests as root."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.processes.servers import unavailable

NOBODY = 65_534
NAMELESS = 54_321
"""A user that no list of users knows, as containers have them."""


def as_user(uid: int, command: Sequence[str | Path], **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a command as another user, with an environment that says next to nothing."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), **more.pop("env", {})}
    return subprocess.run(
        command, user=uid, group=uid, extra_groups=[], env=environment, capture_output=True, text=True, check=False,
        timeout=120, **more,
    )  # fmt: skip


def artistcrawl_as(uid: int, *arguments: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run `artistcrawl ARGUMENTS` as another user."""
    return as_user(uid, [sys.executable, "-m", "crawl_worker.cli", *arguments], **more)


def need_other_users() -> None:
    """Skip (in CI: fail) where one user cannot start this program as another."""
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    try:
        reason = as_user(NOBODY, [sys.executable, "-c", "import crawl_worker.cli"], cwd="/").stderr
    except PermissionError as error:
        reason = str(error)
    if reason:
        unavailable(f"other users cannot run this Python: {reason}")
