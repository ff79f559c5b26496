#!/usr/bin/env python
"""Compare what the chart renders of alerts and boards with its files: their {{ ... }} and $... are not Helm's.

    helm template ... | verbatim.py [RULES.yaml]

Writes the PrometheusRule's spec to RULES.yaml, for promtool. A board of more than 256 KiB is an objection, too: an
apply on the client's side keeps it once more in an annotation, and Kubernetes takes no larger one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

FILES = Path(__file__).parents[1] / "files"
LARGEST_BYTES = 256 * 1024


def main() -> int:
    """0 where all is as in the files."""
    rendered = [document for document in yaml.safe_load_all(sys.stdin) if document]
    specs = [document["spec"] for document in rendered if document["kind"] == "PrometheusRule"]
    boards = {name: text for document in rendered for name, text in boards_of(document).items()}
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(yaml.safe_dump(specs[0]), encoding="utf-8")
    objections = [*rules_unlike(specs), *boards_unlike(boards)]
    print("\n".join(f"chart: {objection}" for objection in objections), end="\n" if objections else "")
    return 1 if objections else 0


def boards_of(document: dict[str, Any]) -> dict[str, str]:
    """The boards in a ConfigMap, by the names of their files."""
    if document["kind"] != "ConfigMap":
        return {}
    return {name: text for name, text in document["data"].items() if name.endswith(".json")}


def rules_unlike(specs: list[dict[str, Any]]) -> list[str]:
    """Objections to the PrometheusRule."""
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((FILES / "rules").glob("*.yaml"))]
    groups = [group for file in files for group in file["groups"]]
    same = groups and [spec["groups"] for spec in specs] == [groups]
    return [] if same else ["the PrometheusRule is not as files/rules"]


def boards_unlike(boards: dict[str, str]) -> list[str]:
    """Objections to the boards."""
    files = {path.name: path.read_text(encoding="utf-8") for path in (FILES / "dashboards").glob("*.json")}
    if not files or boards.keys() != files.keys():
        return [f"the boards are {sorted(boards)}, files/dashboards has {sorted(files)}"]
    changed = [f"{name} is not as in files/dashboards" for name in files if boards[name] != files[name].rstrip("\n")]
    large = [
        f"{name} is larger than {LARGEST_BYTES} bytes"
        for name, text in files.items()
        if len(text.encode()) > LARGEST_BYTES
    ]
    return changed + large


if __name__ == "__main__":
    sys.exit(main())
