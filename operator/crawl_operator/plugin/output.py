"""What the plugin prints: results on stdout, remarks on stderr; whole lines, whoever else writes."""

from __future__ import annotations

import sys
import threading

_LOCK = threading.Lock()


def say(text: str) -> None:
    """A result."""
    with _LOCK:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def remark(text: str) -> None:
    """Something beside the result; never mixed into it."""
    with _LOCK:
        sys.stderr.write(f"kubectl crawl: {text}\n")
        sys.stderr.flush()
