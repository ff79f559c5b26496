"""What the body of an error says, of any of the shapes that APIs and what stands before them send. Pure.

    {"error": {"status": 400, "message": "...", "reason": "..."}}      Spotify's API
    {"error": "invalid_client", "error_description": "..."}            its token endpoint, as OAuth has it
    text, HTML, nothing                                                proxies

Messages go into notes, dead letters and logs, so they are one short line whatever came.
"""

from __future__ import annotations

from dataclasses import dataclass

from crawl_core.text import clean
from crawl_worker.sources.json_body import InvalidBodyError, decode

MESSAGE_CHARACTERS = 300
_WORD_CHARACTERS = 60
_SHOWN_CHARACTERS = 200
"""Of an unexpected body, as much as names its kind in a log line."""


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What an error says, each as one clean line; empty where it says nothing."""

    message: str
    """In words; where there are none, the body as it came."""
    code: str = ""
    """OAuth's `error`, a word such as invalid_client."""
    reason: str = ""
    """Spotify's `reason`, a word such as QUOTA_EXCEEDED."""


def read_error(body: bytes) -> ErrorBody:
    """What an error body says. Never raises."""
    try:
        decoded = decode(body)
    except InvalidBodyError:
        return ErrorBody(shown(body))
    whole = decoded if isinstance(decoded, dict) else {}
    error = whole.get("error")
    detail = error if isinstance(error, dict) else whole
    messages = (detail.get("message"), whole.get("error_description"), error)
    message = next((line for value in messages if (line := _line(value, MESSAGE_CHARACTERS))), "")
    return ErrorBody(
        message or shown(body),
        code=_line(error, _WORD_CHARACTERS),
        reason=_line(detail.get("reason"), _WORD_CHARACTERS),
    )


def shown(body: bytes) -> str:
    """An unexpected body as one short line."""
    # Four bytes are the most that a character takes, and few of the first ones are cleaned away.
    return clean(body[: 8 * _SHOWN_CHARACTERS].decode("utf-8", "replace"), _SHOWN_CHARACTERS) or "an empty body"


def _line(value: object, limit: int) -> str:
    return clean(value, limit) if isinstance(value, str) else ""
