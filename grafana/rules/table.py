# ruff: noqa: INP001 -- rule files and what tells of them; no package
"""The table of alerts in grafana/README.md, from the rule files. `python grafana/rules/table.py` writes it.

What an alert is for stands once, as the first paragraph of its file. Tests judge the rules.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).parent
README = RULES.parent / "README.md"
BEGIN, END = "<!-- alerts: made by rules/table.py -->", "<!-- end of alerts -->"
SEVERITIES = ("critical", "warning", "info")


def rules_of(text: str) -> list[dict[str, Any]]:
    """The rules of a file, in their order."""
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def purpose(text: str) -> str:
    """The first paragraph of the comment that a file begins with."""
    words: list[str] = []
    for line in text.splitlines():
        comment = line.removeprefix("#").strip()
        if not line.startswith("#") or not comment:
            break
        words.append(comment)
    return " ".join(words)


def table(files: dict[str, str]) -> str:
    """One line an alert, the urgent ones first. `files` are texts by their names."""
    alerts = [(SEVERITIES.index(rules_of(text)[0]["labels"]["severity"]), name, text) for name, text in files.items()]
    lines = [
        f"| [{name}](runbooks/{name}.md) | {SEVERITIES[severity]} | {purpose(text)} |"
        for severity, name, text in sorted(alerts)
    ]
    return "\n".join(["| alert, and its runbook | severity | fires when |", "|---|---|---|", *lines])


def page(readme: str, files: dict[str, str]) -> str:
    """The page with the table in its place. Raises ValueError where the page has no place for it."""
    before, _, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the page has no place for the alerts: write {BEGIN} and {END} on two lines")
    return f"{before}{BEGIN}\n\n{table(files)}\n\n{END}{after}"


def files() -> dict[str, str]:
    """The rule files by their names, without the suffix."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(RULES.glob("*.yaml"))}


if __name__ == "__main__":
    README.write_text(page(README.read_text(encoding="utf-8"), files()), encoding="utf-8")
