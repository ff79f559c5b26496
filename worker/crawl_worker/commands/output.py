"""What commands print, one place for it: results on stdout, remarks on stderr, nothing that a terminal obeys.

What psql prints, and exports to stdout, are data, and go as they are.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from crawl_core.streams import takes_all_letters
from crawl_core.text import json_text, printable
from crawl_worker.commands.ends import Ending


def say(text: str) -> None:
    """A result, for whoever asked."""
    sys.stdout.write(f"{printable(text)}\n")
    sys.stdout.flush()


def remark(text: str) -> None:
    """Something beside the result; never mixed into it."""
    sys.stderr.write(f"{printable(text)}\n")
    sys.stderr.flush()


def say_json(value: Any) -> None:
    """A result for a program: one JSON value."""
    sys.stdout.write(f"{json_text(value, ascii_only=not takes_all_letters(sys.stdout))}\n")
    sys.stdout.flush()


def refuse(ending: Ending, error: BaseException) -> int:
    """Say why a command ends; its exit status."""
    if os.environ.get("ARTISTCRAWL_DEBUG") == "1":
        traceback.print_exception(error)
    remark(f"artistcrawl: {ending.message}")
    return ending.status


def program() -> str:
    """How this program was called, for commands that are to be pasted: a path where the name alone is not found."""
    called = Path(sys.argv[0])
    if called.name != "artistcrawl" or shutil.which("artistcrawl"):
        return "artistcrawl"
    with suppress(ValueError):
        called = called.absolute().relative_to(Path.cwd())
    return shlex.quote(str(called))
