"""Other users of this machine, for whoever runs the tests as root."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support.processes.servers import unavailable

NOBODY = 65_534
NAMELESS = 54_321
"""A user that no list of users knows, as containers have them."""


def as_user(uid: int, command: Sequence[str | Path], **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a command as another user, with an environment that says next to nothing."""
    environment = {**python_environment(), **more.pop("env", {})}
    return subprocess.run(
        command, user=uid, group=uid, extra_groups=[], env=environment, capture_output=True, text=True, check=False,
        timeout=120, **more,
    )  # fmt: skip


def artistcrawl_as(uid: int, *arguments: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run `artistcrawl ARGUMENTS` as another user."""
    return as_user(uid, [python(), "-m", "crawl_worker.cli", *arguments], **more)


def need_other_users() -> None:
    """Skip where one user cannot start this program as another; a Python of one's own is no reason."""
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    checkout = Path(__file__).parents[3]
    if as_user(NOBODY, ["test", "-r", checkout / "pyproject.toml"], cwd="/").returncode:
        pytest.skip(f"other users cannot read {checkout}")
    tried = as_user(NOBODY, [python(), "-c", "import crawl_worker.cli"], cwd="/")
    if tried.returncode:
        unavailable(f"other users cannot run this Python: {tried.stderr}")


@cache
def python() -> str:
    """A Python that any user can run: this one, or where that lies in somebody's home a copy of it."""
    try:
        if not subprocess.run([sys.executable, "-c", ""], user=NOBODY, group=NOBODY, cwd="/", check=False).returncode:
            return sys.executable
    except PermissionError:
        pass
    copy = Path(tempfile.mkdtemp(prefix="artistcrawl-python-"))
    copy.chmod(0o755)
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    leave_out = shutil.ignore_patterns("site-packages", "test", "__pycache__", "*.a", "share", "include")
    shutil.copytree(sys.base_prefix, copy, symlinks=True, ignore=leave_out, dirs_exist_ok=True)
    return str(copy / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")


def python_environment() -> dict[str, str]:
    """What `python` needs in its environment to find this program and its packages."""
    environment = {"PATH": os.environ.get("PATH", os.defpath)}
    if python() == sys.executable:
        return environment
    packages = [path for path in sys.path if path and not path.startswith(f"{sys.base_prefix}/")]
    library = Path(python()).parents[1] / "lib"
    return {**environment, "PYTHONPATH": os.pathsep.join(packages), "LD_LIBRARY_PATH": str(library)}
