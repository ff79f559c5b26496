"""A process that the local run started must not outlive it: an orphan would go on crawling unseen.

A worker's image has no psutil, so this needs only the standard library.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress

PARENT_VARIABLE = "ARTISTCRAWL_PARENT"
"""Environment variable that holds the pid of the supervisor that a process must not outlive."""

_PR_SET_PDEATHSIG = 1


def follow_parent() -> None:
    """End with the supervisor where the environment names one: its death is our SIGTERM, and so a drain.

    Only Linux tells a process of its parent's death; elsewhere the next run ends what was left behind.
    """
    parent = os.environ.pop(PARENT_VARIABLE, None)
    if parent is None or not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):
        # It died before we asked to be told.
        raise SystemExit(1)
