"""Standard output and error as they come: in whatever encoding the user's surroundings give them."""

from __future__ import annotations

import io
import sys
from typing import TextIO


def forgive_encodings() -> None:
    """Let what an encoding lacks be printed as an escape: a name in Cyrillic must not end a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def takes_all_letters(stream: TextIO) -> bool:
    """Whether JSON may have them as they are; else it has them as its own escapes, which are read back."""
    return (stream.encoding or "").lower().replace("-", "") == "utf8"
