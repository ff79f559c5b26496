"""The sandbox as a real process, for any test that needs an API.

    with sandbox(size=500, limit="100/10s", faults={"rules": [...]}) as api:
        ...api.url..., api.requests(), api.stats(), api.control(outage={"status": 503})

Options are the command's, with underscores; None leaves one out, True is a flag, a list repeats it. The limit is `none`
unless given. It refuses to hide a sandbox that died: leaving the block then fails, unless the test killed it.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START_TIMEOUT_S = 60.0
CALL_TIMEOUT_S = 60.0
# A proxy in the environment must not come between a test and a loopback address.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SandboxProcess:
    """A running sandbox. `url` has no trailing slash."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.process = process
        self.url = url
        self.ended_on_purpose = False

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def token_url(self) -> str:
        return f"{self.url}/api/token"

    def requests(self, since_s: float = 0.0) -> list[dict[str, Any]]:
        """What arrived at /v1 (the last 100,000), in order."""
        lines = self._call(f"/_sandbox/requests?since={since_s!r}").splitlines()
        return [json.loads(line) for line in lines]

    def stats(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._call("/_sandbox/stats"))
        return answer

    def control(self, **change: Any) -> dict[str, Any]:
        """Change the limit, latency, faults, outage ... while it runs."""
        answer: dict[str, Any] = json.loads(self._call("/_sandbox/control", data=json.dumps(change).encode()))
        return answer

    def token(self, client_id: str = "test", secret: str = "secret") -> str:
        """A fresh access token."""
        form = urllib.parse.urlencode(
            {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        )
        answer: dict[str, Any] = json.loads(self._call("/api/token", data=form.encode()))
        return str(answer["access_token"])

    def get(self, path: str, *, token: str | None = None, **parameters: object) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower case) and body of one request, errors included."""
        query = urllib.parse.urlencode({key: str(value) for key, value in parameters.items()})
        request = urllib.request.Request(f"{self.url}{path}{'?' + query if query else ''}")
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with _opener.open(request, timeout=CALL_TIMEOUT_S) as answer:
                return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()

    def search(self, query: str, *, token: str, **parameters: object) -> tuple[int, Any]:
        """Status and decoded body of one search."""
        status, _, body = self.get("/v1/search", token=token, type="artist", q=query, **parameters)
        return status, json.loads(body)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.ended_on_purpose = True
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(20)

    def kill(self) -> None:
        """SIGKILL: connections are refused from now on. Start another with port=this one's to come back."""
        self.ended_on_purpose = True
        self.process.kill()
        self.process.wait(20)

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _call(self, path: str, data: bytes | None = None) -> bytes:
        try:
            with _opener.open(self.url + path, data=data, timeout=CALL_TIMEOUT_S) as answer:
                body: bytes = answer.read()
                return body
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{path}: {error.code} {error.read().decode()}") from None


def arguments(options: dict[str, Any], folder: Path) -> list[str]:
    """The command line of the options; a fault plan is written to the folder first."""
    line: list[str] = []
    for name, value in ({"port": 0, "limit": "none"} | options).items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, dict):
            file = folder / f"{name}.json"
            file.write_text(json.dumps(value))
            line += [flag, str(file)]
        elif isinstance(value, list):
            for item in value:
                line += [flag, str(item)]
        elif value is True:
            line.append(flag)
        elif value is not None:
            line += [flag, str(value)]
    return line


@contextmanager
def sandbox(*args: str, traced: bool = True, **options: Any) -> Iterator[SandboxProcess]:
    """Start a sandbox, wait until it listens, and end it with the block.

    Coverage makes it several times slower: where its speed matters, write traced=False.
    """
    environment = {key: value for key, value in os.environ.items() if traced or not key.startswith("COVERAGE_")}
    with tempfile.TemporaryDirectory(prefix="acr-sandbox-") as name, (Path(name) / "stderr").open("w+b") as errors:
        command = [sys.executable, "-m", "crawl_sandbox", *arguments(options, Path(name)), *args]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment) as process:
            try:
                api = SandboxProcess(process, _wait_until_it_listens(process, Path(name) / "stderr"))
                yield api
                if not api.ended_on_purpose and process.poll() is not None:
                    raise AssertionError(
                        f"the sandbox died: {process.returncode}\n{(Path(name) / 'stderr').read_text()}"
                    )
            finally:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        # A stopped process takes SIGKILL but would keep a SIGTERM for later.
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait(20)


def _wait_until_it_listens(process: subprocess.Popen[bytes], errors: Path) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(START_TIMEOUT_S):
            raise AssertionError(f"no sandbox after {START_TIMEOUT_S} s: {errors.read_text()}")
    line = process.stdout.readline()
    if not line:
        raise AssertionError(f"the sandbox did not start: status {process.wait(10)}\n{errors.read_text()}")
    return str(json.loads(line)["url"])
