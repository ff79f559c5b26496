"""Bodies as JSON, read as a careful reader would, and what PostgreSQL cannot store taken out of them. Pure.

JSON in the wild has NaN where a number is missing, a line end inside a string, a byte order mark, numbers of any
length. `decode` takes all that, and nothing that it is given makes it raise anything but InvalidBodyError.
"""

from __future__ import annotations

import json
import re

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_LONGEST_WHOLE_NUMBER = 20
"""Characters of a number that is read to its last digit: all that 64 bits hold. Python refuses 4,301 digits."""

# Half a surrogate pair is an escape of one kind without one of the other kind beside it.
_UNSTORABLE_ESCAPES = re.compile(
    rb"\\u0000"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


class InvalidBodyError(Exception):
    """The body is not what was asked for: cut, empty, HTML, or of another shape."""


def decode(body: bytes) -> object:
    """The value that a JSON body holds, in UTF-8. A number of more digits than 64 bits take comes as a float.

    Strings hold nothing that PostgreSQL cannot store, but for NUL as a byte of its own.
    """
    try:
        return _decoder.decode(storable_json(body).removeprefix(BYTE_ORDER_MARK).decode())
    except (ValueError, RecursionError) as error:
        raise InvalidBodyError(str(error)) from error


def storable_json(body: bytes) -> bytes:
    """A JSON body whose escapes of NUL and of half a surrogate pair are escapes of U+FFFD; whole pairs stay."""
    # Most bodies have no escape at all, and one byte is found faster than any of the three sequences.
    if b"\\" in body and (rb"\u0000" in body or rb"\ud" in body or rb"\uD" in body):
        # Written in another way, an escaped backslash cannot be taken for the start of an escape.
        body = _UNSTORABLE_ESCAPES.sub(rb"\\ufffd", body.replace(rb"\\", rb"\u005c"))
    return body


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_WHOLE_NUMBER else float(digits)


_decoder = json.JSONDecoder(strict=False, parse_int=_number)
