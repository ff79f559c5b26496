"""What the plugin prints: results on stdout, remarks on stderr; whole lines, whoever else writes, and nothing that a
terminal obeys: pods, conditions and admission webhooks say what they like.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from crawl_core.streams import takes_all_letters
from crawl_core.text import json_text, printable

_LOCK = threading.Lock()


def say(text: str) -> None:
    """A result."""
    _write(printable(text))


def say_json(value: Any) -> None:
    """A result for a program."""
    _write(json_text(value, indent=2, ascii_only=not takes_all_letters(sys.stdout)))


def remark(text: str) -> None:
    """Something beside the result; never mixed into it."""
    with _LOCK:
        sys.stderr.write(f"kubectl crawl: {printable(text)}\n")
        sys.stderr.flush()


def _write(text: str) -> None:
    with _LOCK:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
