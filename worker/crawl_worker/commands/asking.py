"""Asks a person before what cannot be undone."""

from __future__ import annotations

import sys

from crawl_core.errors import ConfigurationError
from crawl_worker.commands.output import remark


def agreed(question: str, *, otherwise: str) -> bool:
    """Whether the person at the terminal says yes. Raises ConfigurationError with `otherwise` where there is nobody."""
    if not sys.stdin.isatty():
        raise ConfigurationError(otherwise)
    remark(f"{question} [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
