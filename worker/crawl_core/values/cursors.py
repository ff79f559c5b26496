"""Cursors as jsonb. Their form has one home, since a commit compares the stored cursor with the expected one."""

from __future__ import annotations

import msgspec

from crawl_core.values.rows import Cursor

_encode = msgspec.json.Encoder().encode


def cursor_text(cursor: Cursor | None) -> str | None:
    """A cursor as the ledger's jsonb takes it."""
    return None if cursor is None else _encode(cursor).decode()


def cursor_of(value: object) -> Cursor | None:
    """A cursor from what a jsonb column gave."""
    return None if value is None else msgspec.convert(value, Cursor)
