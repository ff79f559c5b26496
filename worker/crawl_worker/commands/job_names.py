"""How commands name a job. Pure."""

from __future__ import annotations

from crawl_core.values.jobs import JobRow


def full_name(row: JobRow) -> str:
    """namespace/name."""
    return f"{row.namespace}/{row.name}"
