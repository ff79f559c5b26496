"""The scrape job that k8s/README.md has for a Prometheus without the Prometheus operator, as the tests of it use it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

README = Path(__file__).parents[3] / "k8s" / "README.md"


def documented_configuration() -> dict[str, Any]:
    """The block, as Prometheus reads it."""
    block = re.search(r"```yaml\n(scrape_configs:\n.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert block, f"{README} has no block with scrape_configs"
    configuration: dict[str, Any] = yaml.safe_load(block[1])
    return configuration
