"""grafana/metrics.md, made from the declarations. Pure."""

from __future__ import annotations

from crawl_core.metrics.declared import Declaration, Group
from crawl_core.metrics.definitions import GROUPS
from crawl_core.metrics.labels import Label

HEAD = """# Metrics

Made by `make sync` from `worker/crawl_core/metrics/definitions.py`; a test compares both. Prometheus's base units:
seconds, ratios from 0 to 1, instants in seconds since 1970. Counters end in `_total` and begin again at 0 with their
process; what the ledger counts is a gauge. On Linux, workers and operators also have the client's `process_*`.

Scrape with `honor_labels: true`: series of a CrawlJob carry its own namespace, and not the operator's.
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(f"\n{_section(group)}" for group in GROUPS)


def _section(group: Group) -> str:
    lines = [f"## {group.title}", "", f"Exported by {group.exported_by}."]
    if group.served_with:
        lines += [
            "",
            "Each series also has " + "; ".join(f"`{name}` ({what})" for name, what in group.served_with.items()) + ".",
        ]
    lines += ["", "| metric | type | what it is |", "|---|---|---|"]
    lines += [_row(declaration) for declaration in group.declarations]
    return "\n".join(lines) + "\n"


def _row(declaration: Declaration) -> str:
    what = declaration.meaning + "".join(f"<br>{_label(name, label)}" for name, label in declaration.labels.items())
    return f"| `{declaration.name}` | {declaration.kind} | {what} |"


def _label(name: str, label: Label) -> str:
    words = label if isinstance(label, str) else "; ".join(f"`{value}` {value.meaning}" for value in label)
    return f"`{name}`: {words}"
