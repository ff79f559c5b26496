"""Structured logs: one event a line, with stable fields, as JSON or for a person's eye.

Call `log.info("range claimed", extra=fields("range.claimed", range=7))`. `action` is API: dashboards and runbooks
match on it. Text from outside is cleaned and cut, whoever logs it. The value of a field whose name speaks of a secret
is printed as ***.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any, Literal, TextIO

from crawl_core.text import clean, json_text, printable

LogFormat = Literal["json", "console"]

_SECRET = ("secret", "password", "token", "authorization")
_LONGEST_VALUE = 2_000
_LONGEST_TRACEBACK = 20_000
"""Characters: an answer of megabytes that somebody quotes must not fill a disk, or a terminal."""

_ATTRIBUTE = "artistcrawl_fields"
_context: dict[str, Any] = {}


def fields(action: str, **values: Any) -> dict[str, Any]:
    """What a log call passes as `extra`: the stable action, and values that JSON can hold."""
    return {_ATTRIBUTE: {"action": action, **values}}


def configure(*, log_format: LogFormat, level: str = "INFO", stream: TextIO | None = None, **context: Any) -> None:
    """Send this process's logs to `stream` (stderr), each line with `context` (job, worker, ...)."""
    _context.clear()
    _context.update(context)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _ConsoleFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # It logs every request at INFO, without an action, and with the whole URL.
    logging.getLogger("httpx").setLevel(max(logging.WARNING, root.level))


def _values(record: logging.LogRecord) -> dict[str, Any]:
    values = {**_context, **getattr(record, _ATTRIBUTE, {})}
    for name, value in values.items():
        if any(word in name.lower() for word in _SECRET):
            values[name] = "***"
        elif isinstance(value, str | Exception):
            values[name] = clean(str(value), _LONGEST_VALUE)
    return values


def _exception(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """The traceback, in whole lines; of a message of megabytes its beginning."""
    text = "" if record.exc_info is None else formatter.formatException(record.exc_info)
    if len(text) > _LONGEST_TRACEBACK:
        text = f"{text[:_LONGEST_TRACEBACK]}\u2026"
    return printable(text)


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": round(record.created, 6),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean(record.getMessage(), _LONGEST_VALUE),
            **_values(record),
        }
        if record.exc_info:
            line["exception"] = _exception(self, record)
        return json_text(line)


class _ConsoleFormatter(logging.Formatter):
    """Time, level, message, then the fields as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        values = " ".join(f"{name}={clean(str(value), _LONGEST_VALUE)}" for name, value in _values(record).items())
        message = clean(record.getMessage(), _LONGEST_VALUE)
        text = f"{clock} {record.levelname.lower():7} {message}  {values}".rstrip()
        return f"{text}\n{_exception(self, record)}" if record.exc_info else text
