"""The last moments of a worker's process."""

import subprocess
import sys

import pytest

_WORKER = """
import os, signal, sys
from crawl_worker.process import main as process

async def crawl(options, worker_name):
    pass

process._run = crawl
status = process.main(["--job", "default/artists", "--postgres", "postgresql://h/d", "--redis", "redis://h"])
os.kill(os.getpid(), signal.{signal})
sys.exit(status)
"""


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_a_stop_that_comes_when_all_is_done_does_not_make_a_good_end_a_violent_one(signal: str) -> None:
    """A worker that ends by itself may be told to stop while Python still shuts down."""
    code = _WORKER.format(signal=signal)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
