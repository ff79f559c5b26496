"""Writes grafana/metrics.md: `python -m crawl_core.metrics`, from the root of a checkout."""

from __future__ import annotations

from pathlib import Path

from crawl_core.metrics.page import page

PAGE = Path("grafana/metrics.md")

if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
