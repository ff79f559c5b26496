"""Benchmarks can be started, and their measuring survives a server whose children come and go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support.processes.cpu import tree_cpu_s

ROOT = Path(__file__).parents[2]
NAMES = sorted(file.stem for file in (ROOT / "tests" / "bench").glob("bench_*.py"))


def test_every_benchmark_can_be_imported_from_the_root() -> None:
    program = "import importlib, tests.bench.__main__\n" + "".join(
        f"assert importlib.import_module('tests.bench.{name}').run\n" for name in NAMES
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_child_that_ends_between_list_and_look_ends_no_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        child = psutil.Process(sleeper.pid)
        sleeper.kill()
    monkeypatch.setattr(psutil.Process, "children", lambda self, recursive=False: [child])
    assert tree_cpu_s(psutil.Process()) > 0
