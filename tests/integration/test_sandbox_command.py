"""The command: what it prints, how it ends, and what it says about wrong options."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes.sandbox_process import sandbox


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "crawl_sandbox", "--port", "0", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--limit", "ten"], "limit 'ten': write requests/window such as 10/30s"),
        (["--latency", "slow"], "latency 'slow': write none, 50ms"),
        (["--catalogue", "no.parquet"], "no.parquet: there is no such file"),
        (["--faults", "no.yaml"], "--faults no.yaml: there is no such file"),
        (["--credentials", "me"], "--credentials: write id:secret"),
        (["--size", "-1"], "--size -1: write a number from 0"),
        (["--odd-names", "2"], "write a share from 0 to 1"),
        (["--host", "203.0.113.1"], "cannot listen on 203.0.113.1"),
        (["--mode", "other"], "invalid choice: 'other'"),
    ],
)
def test_a_wrong_option_is_named_with_what_to_write(arguments: list[str], message: str) -> None:
    finished = run(*arguments)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_port_in_use_is_named() -> None:
    with sandbox(size=1) as api:
        finished = run("--port", str(api.port))
    assert finished.returncode == 2
    assert f"port {api.port}: Address already in use" in finished.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0(number: signal.Signals) -> None:
    with sandbox(size=1) as api:
        api.ended_on_purpose = True
        api.process.send_signal(number)
        assert api.process.wait(20) == 0


def test_a_request_that_is_never_answered_does_not_keep_it_alive() -> None:
    with sandbox(size=1) as api:
        api.control(outage={"drop": True})
        client = subprocess.Popen(
            [sys.executable, "-c", f"import urllib.request as u; u.urlopen({api.url + '/v1/search'!r}, timeout=60)"],
            stderr=subprocess.DEVNULL,
        )
        while not api.requests():
            assert client.poll() is None
        assert api.stop() == 0
        assert client.wait(20) != 0


def test_the_line_of_the_start_is_also_in_the_ready_file(tmp_path: Path) -> None:
    with sandbox(size=1, ready_file=tmp_path / "ready") as api:
        assert json.loads((tmp_path / "ready").read_text()) == {"url": api.url, "pid": api.pid}
        assert [path.name for path in tmp_path.iterdir()] == ["ready"]


def test_it_comes_back_on_the_same_port_after_a_kill() -> None:
    with sandbox(size=1) as first:
        first.kill()
        with sandbox(size=1, port=first.port) as second:
            assert second.stats()["arrivals"] == 0
