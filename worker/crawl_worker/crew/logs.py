"""The logs of a run's processes: read for what went wrong, and kept from growing without bound.

Only level, message and the address of the metrics are read here: the rest is for whoever opens the file.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crawl_core.text import clean
from crawl_worker.machine.private_files import open_appending, open_private

MAX_LOG_BYTES = 10_000_000
"""Bytes after which a log is put aside; one older part is kept, so a process takes twice that."""

_LONGEST_MESSAGE = 2_000

_LONGEST_READ_BYTES = 1_000_000


_FAILED_REQUESTS = ("request.failed", "credential.failed")
_FAILURE_LASTS_S = 60.0
"""Seconds in which a failed request is not hidden by a warning of something else, such as a Redis that is slow."""


class LogTail:
    """Follows one process's log. Lines may be JSON or anything."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last_message = ""
        self.last_error = ""
        self.error_rank_s = 0.0
        """When it was logged, in seconds since the epoch; later by a minute for a failed request, which tells more."""
        self.metrics_port: int | None = None
        """Where the process says that it serves its metrics."""
        self._at = path.lstat().st_size if path.exists() else 0
        self._rest = b""

    def read(self) -> None:
        """Take in what was written since the last call."""
        try:
            with open_private(self.path) as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(self._at, size - _LONGEST_READ_BYTES) if size >= self._at else 0)
                data = log.read()
                self._at = log.tell()
        except OSError:
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line.decode(errors="replace").strip())

    def bound(self) -> None:
        """Put the log aside when it is too long. Its writer appends, so it goes on at the start of the emptied file."""
        if self._at < MAX_LOG_BYTES:
            return
        try:
            # Descriptors, and not names: what is copied and what is emptied is one file, and no link to another.
            with open_private(self.path, writable=True) as log:
                aside = self.path.with_name(f"{self.path.name}.1")
                aside.unlink(missing_ok=True)
                with open_appending(aside) as copy:
                    shutil.copyfileobj(log, copy)
                log.truncate(0)
        except OSError:
            return
        self._at, self._rest = 0, b""

    def _take(self, line: str) -> None:
        if not line:
            return
        try:
            entry = json.loads(line)
            message, level = str(entry["message"]), str(entry["level"])
        except (ValueError, KeyError, TypeError):
            message, level = line.removeprefix("artistcrawl: "), ""
        else:
            if entry.get("action") == "metrics.serving":
                self.metrics_port = entry.get("port")
        self.last_message = clean(message, _LONGEST_MESSAGE)
        if level in ("warning", "error", "critical"):
            self._take_error(entry, message)

    def _take_error(self, entry: Mapping[str, Any], message: str) -> None:
        time_s, detail = entry.get("time"), entry.get("error")
        rank_s = float(time_s) if isinstance(time_s, int | float) else self.error_rank_s
        if entry.get("action") in _FAILED_REQUESTS:
            rank_s += _FAILURE_LASTS_S
        if rank_s >= self.error_rank_s:
            self.error_rank_s = rank_s
            self.last_error = clean(f"{message}: {detail}" if detail else message, _LONGEST_MESSAGE)
