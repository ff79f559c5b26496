"""Structured logs: one event a line, with stable fields, as JSON or for a person's eye.

Call `log.info("range claimed", extra=fields("range.claimed", range=7))`. `action` is API: dashboards and runbooks
match on it. The value of a field whose name speaks of a secret is printed as ***.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any, Literal, TextIO

LogFormat = Literal["json", "console"]

_SECRET = ("secret", "password", "token", "authorization")
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
    for name in values:
        if any(word in name.lower() for word in _SECRET):
            values[name] = "***"
    return values


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": round(record.created, 6),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_values(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class _ConsoleFormatter(logging.Formatter):
    """Time, level, message, then the fields as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        values = " ".join(f"{name}={value}" for name, value in _values(record).items())
        text = f"{clock} {record.levelname.lower():7} {record.getMessage()}  {values}".rstrip()
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text
