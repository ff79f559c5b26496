"""What commands print, one place for it: results on stdout, remarks on stderr."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any


def say(text: str) -> None:
    """A result, for whoever asked."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def remark(text: str) -> None:
    """Something beside the result; never mixed into it."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def say_json(value: Any) -> None:
    """A result for a program: one JSON value."""
    say(json.dumps(value, default=str, ensure_ascii=False))


def number(value: int | float) -> str:
    """12,345: thousands apart, no fraction."""
    return f"{value:,.0f}"


def duration(seconds: float) -> str:
    """A span of time as a person says it: 8 s, 3 min 20 s, 5 h 10 min, 58 d 7 h."""
    whole = round(seconds)
    days, hours, minutes, rest = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60, whole % 60
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    while len(parts) > 1 and parts[0][0] == 0:
        parts.pop(0)
    return " ".join(f"{amount} {unit}" for amount, unit in parts[:2] if amount or unit == parts[0][1])


def instant(epoch_s: float, *, now_s: float | None = None) -> str:
    """A point in time as a clock on the wall shows it, with the day unless it is today."""
    there, here = time.localtime(epoch_s), time.localtime(now_s)
    return time.strftime("%H:%M:%S" if there[:3] == here[:3] else "%b %d %H:%M", there)


def program() -> str:
    """How this program was called, for commands that are to be pasted: a path where the name alone is not found."""
    called = Path(sys.argv[0])
    if called.name != "artistcrawl" or shutil.which("artistcrawl"):
        return "artistcrawl"
    with suppress(ValueError):
        called = called.absolute().relative_to(Path.cwd())
    return shlex.quote(str(called))
