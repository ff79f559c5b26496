"""The logs of a run's processes: read for what went wrong, and kept from growing without bound.

Only level, message and the address of the metrics are read here: the rest is for whoever opens the file.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from crawl_core.text import clean
from crawl_worker.machine.private_files import open_appending, open_private

MAX_LOG_BYTES = 10_000_000
"""Bytes after which a log is put aside; one older part is kept, so a process takes twice that."""

_LONGEST_MESSAGE = 2_000

_LONGEST_READ_BYTES = 1_000_000


class LogTail:
    """Follows one process's log. Lines may be JSON or anything."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last_message = ""
        self.last_error = ""
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
            detail = entry.get("error")
            self.last_error = clean(f"{message}: {detail}" if detail else message, _LONGEST_MESSAGE)
