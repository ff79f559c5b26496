"""Text from outside, made fit to be shown, logged and stored: one line of it, without a command to a terminal.

What an API, a server or a name says may hold escape sequences that rename a window, clear a screen or fill a clipboard,
line ends that fake a line of ours, marks that turn the order of letters around, and megabytes. It is cleaned where it
enters, and again where anything is printed. Names of artists are data: they are stored as they came, but for what
PostgreSQL cannot store (`storable`), and cleaned where they are printed.
"""

from __future__ import annotations

import json
import re
from typing import Any

_LOOKED_AT = 8
"""Characters looked at for each that may stay: a message of 7 MB costs no more than one of a few kilobytes."""

# A sequence is removed whole where it ends; of one that does not end only its beginning is removed. A payload holds no
# control character, so no character is looked at twice.
_COMMANDS = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*+[ -/]*+[@-~]"  # CSI: colours, cursor, clear
    "|(?:\x1b[]P^_X]|[\x90\x98\x9d-\x9f])[^\x00-\x1f\x7f-\x9f]*+(?:\x07|\x1b\\\\|\x9c)"  # OSC, DCS, SOS, PM, APC
    "|\x1b[ -/]*+[0-~]"  # any other escape
    "|[\x01-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]"  # control characters; those that are white space become a space
    "|[\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"  # unseen, or other order
)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_OTHER_LINE_ENDS = re.compile("[\x0b-\r\x1c-\x1f\x85\u2028\u2029]")
_UNPRINTABLE = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def clean(text: str, limit: int) -> str:
    """One line of at most `limit` characters, fit for a terminal, a log and PostgreSQL; cut text ends in an ellipsis.

    Escape sequences, control characters and marks of writing direction go, white space becomes single spaces, NUL and
    half a surrogate pair become U+FFFD.
    """
    part = text[: _LOOKED_AT * limit]
    line = " ".join(_COMMANDS.sub("", storable(part)).split())
    if len(line) <= limit and len(part) == len(text):
        return line
    return line[: limit - 1] + "…"


def printable(text: str) -> str:
    """Lines of ours as they may be printed, whatever they quote: line ends and columns stay, commands go.

    What stands in a line is to be cleaned where the line is made: a line end in it would be one here as well.
    """
    return _OTHER_LINE_ENDS.sub(" ", _COMMANDS.sub("", storable(text)))


def json_text(value: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """JSON that may be printed: what a terminal takes for a command is escaped, and read back as it was."""
    text = json.dumps(value, default=str, indent=indent, ensure_ascii=ascii_only)
    # json escapes what is below 0x20; a surrogate is printed by an escape as well, for no encoding has it.
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def storable(text: str) -> str:
    """The text with U+FFFD for what PostgreSQL stores in no text: NUL, and half a surrogate pair."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
