"""What arrived, when, from whom: the sandbox's evidence, in the order of arrival.

The last 100,000 requests are kept in memory, all of them in a file when one is given. Only requests of the API are
logged: token requests are counted, and the sandbox's own pages leave no trace.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

_BUFFER_BYTES = 1 << 20
_CHUNK_ROWS = 500


class Arrival(NamedTuple):
    """One request to /v1. `status` is what was answered, 0 when nothing was."""

    received_us: int
    client_id: str | None
    peer: tuple[str, int] | None
    query: str | None
    offset: int | None
    limit: int | None
    status: int


def _line(arrival: Arrival) -> bytes:
    received_us, client_id, peer, query, offset, limit, status = arrival
    return (
        msgspec.json.encode(
            {
                "received_at_s": received_us / 1e6,
                "client_id": client_id,
                "peer": f"{peer[0]}:{peer[1]}" if peer else None,
                "query": query,
                "offset": offset,
                "limit": limit,
                "status": status,
            }
        )
        + b"\n"
    )


class RequestLog:
    """A ring of arrivals and the file behind it. Instants come as microseconds since the Unix epoch."""

    def __init__(self, *, size: int = 100_000, file: Path | None = None) -> None:
        self._ring: deque[Arrival] = deque(maxlen=size)
        self._file = file.open("ab", buffering=_BUFFER_BYTES) if file is not None else None
        self.clear()

    def clear(self) -> None:
        """Forget what arrived; a file keeps what it has."""
        self._ring.clear()
        self.arrivals = 0
        self.by_status: Counter[int] = Counter()
        self.first_us: int | None = None
        self.last_us: int | None = None

    def note(self, arrival: Arrival) -> None:
        """Add one arrival."""
        self._ring.append(arrival)
        self.arrivals += 1
        self.by_status[arrival.status] += 1
        self.last_us = arrival.received_us
        if self.first_us is None:
            self.first_us = arrival.received_us
        if self._file is not None:
            self._file.write(_line(arrival))

    @property
    def forgotten(self) -> int:
        """How many arrivals are no longer in memory."""
        return self.arrivals - len(self._ring)

    def flush(self) -> None:
        """Let readers of the file see everything."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            self._file.close()

    def chunks(self, *, since_s: float = 0.0) -> Iterator[bytes]:
        """Yield JSON lines of what arrived at `since_s` or later, as of now, some hundred at a time."""
        since_us = round(since_s * 1e6)
        rows = [arrival for arrival in self._ring if arrival.received_us >= since_us]
        for start in range(0, len(rows), _CHUNK_ROWS):
            yield b"".join(map(_line, rows[start : start + _CHUNK_ROWS]))
