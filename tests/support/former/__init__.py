"""CrawlJobs and the CRD as they were before `source.dataset` and `source.spotify`: what exists must go on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
CRD: dict[str, Any] = yaml.safe_load((FOLDER / "crawljobs.artistcrawl.dev.yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Former:
    """One CrawlJob of before."""

    applied: dict[str, Any]
    """Its spec, as a user wrote it."""
    stored: dict[str, Any]
    """The object, as the API server stored it: with the defaults of before."""
    identity: dict[str, Any]
    """What the ledger kept of it."""

    @property
    def name(self) -> str:
        """The CrawlJob's."""
        return str(self.stored["metadata"]["name"])


CRAWLJOBS = tuple(
    Former(**document) for document in yaml.safe_load_all((FOLDER / "crawljobs.yaml").read_text(encoding="utf-8"))
)
