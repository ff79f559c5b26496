"""The API server that control-plane tests use: one without nodes, shared by all test processes of this machine.

The first of these that is set says which:

- KUBECONFIG_CONTROL_PLANE: a kubeconfig of an API server that tests may write to.
- ARTISTCRAWL_TEST_CLUSTER: a folder with the programs `up --control-plane-only`, `env` and `down`. The control plane is
  started where it is not up, and ended by the last process that used it if a test session started it.
- KUBECONFIG: the last choice, for that cluster may matter to somebody.

With none of them these tests are skipped, and fail in CI.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from support.processes.servers import unavailable

VARIABLE = "ARTISTCRAWL_TEST_CLUSTER"
NAME = "artistcrawl-cp"
START_TIMEOUT_S = 900
"""From nothing, its programs are built first; after that it takes 9 s."""

_STATE = Path(tempfile.gettempdir()) / f"artistcrawl-control-plane-{os.getuid()}"

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class ApiServer:
    """Where an API server is, and what to call programs with that talk to it."""

    kubeconfig: Path
    environment: Mapping[str, str] = field(repr=False)

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> Done:
        """Run kubectl; with `check` a failure fails the test."""
        done = subprocess.run(
            ["kubectl", *arguments],
            input=stdin,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"kubectl {shlex.join(arguments)}: {done.stderr}")
        return done


@contextmanager
def api_server() -> Iterator[ApiServer]:
    """The one that the environment names; see the module's docstring."""
    if kubeconfig := os.environ.get("KUBECONFIG_CONTROL_PLANE"):
        yield _existing(kubeconfig)
    elif os.environ.get(VARIABLE):
        with _shared_control_plane() as server:
            yield server
    elif kubeconfig := os.environ.get("KUBECONFIG"):
        yield _existing(kubeconfig)
    else:
        unavailable("no API server: set KUBECONFIG_CONTROL_PLANE to a kubeconfig of one that tests may write to")


def _existing(kubeconfig: str) -> ApiServer:
    return ApiServer(Path(kubeconfig), {**os.environ, "KUBECONFIG": kubeconfig})


@contextmanager
def _shared_control_plane() -> Iterator[ApiServer]:
    """Every process holds the lock while it uses the control plane; who gets it alone at the end was the last one."""
    _STATE.mkdir(exist_ok=True)
    with (_STATE / "users").open("w") as users:
        with _alone():
            fcntl.flock(users, fcntl.LOCK_SH)
            server = _up()
        try:
            yield server
        finally:
            with _alone():
                _end_unless_used(users)


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time starts or ends the control plane."""
    with (_STATE / "starting").open("w") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        yield


def _up() -> ApiServer:
    ours = _STATE / "started-by-tests"
    if not _answers(_environment()):
        ours.touch()
    _script("up", "--control-plane-only")
    environment = _environment()
    return ApiServer(Path(environment["KUBECONFIG"]), environment)


def _end_unless_used(users: IO[str]) -> None:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    ours = _STATE / "started-by-tests"
    if ours.exists():
        _script("down")
        ours.unlink()


def _answers(environment: Mapping[str, str]) -> bool:
    if not Path(environment["KUBECONFIG"]).exists():
        return False
    asked = subprocess.run(
        ["kubectl", "get", "--raw", "/readyz", "--request-timeout=5s"],
        env=dict(environment),
        capture_output=True,
        check=False,
    )
    return asked.returncode == 0


def _environment() -> dict[str, str]:
    """What the cluster's `env` tells a shell to set; its programs may not be built yet."""
    cache = Path(os.environ.get("TESTCLUSTER_CACHE", Path.home() / ".cache" / "testcluster"))
    environment = {**os.environ, "KUBECONFIG": str(cache / "run" / NAME / "kubeconfig")}
    for line in _script("env").splitlines():
        words = shlex.split(line)
        for word in words[1:]:
            name, _, value = word.partition("=")
            environment[name] = value.replace("$PATH", os.environ["PATH"])
    return environment


def _script(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [str(Path(os.environ[VARIABLE]) / name), *arguments],
        env={**os.environ, "TESTCLUSTER_NAME": NAME},
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        unavailable(f"{name} {' '.join(arguments)} of the test cluster failed: {done.stderr[-2000:]}")
    return done.stdout
