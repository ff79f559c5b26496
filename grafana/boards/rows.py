"""Where panels stand: shelves of one height, one under the other, each as wide as the board.

A shelf that is not full is an error. Panels are numbered in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders.dashboard import Row
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import GridPos, Panel, RowPanel

COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Shelf:
    """Panels beside each other, each with its width in columns."""

    height: int
    panels: Sequence[tuple[int, Builder[Panel]]]


def shelf(height: int, *panels: tuple[int, Builder[Panel]]) -> Shelf:
    """Panels beside each other. Raises ValueError where they do not fill the board's width."""
    width = sum(columns for columns, _ in panels)
    if width != COLUMNS:
        raise ValueError(f"these panels are {width} columns wide, not {COLUMNS}")
    return Shelf(height, panels)


def placed(parts: Iterable[Shelf | str]) -> list[Panel | RowPanel]:
    """All panels with their places and numbers; a text is a heading."""
    standing: list[Panel | RowPanel] = []
    y = 0
    for part in parts:
        if isinstance(part, str):
            standing.append(_heading(part, y=y, number=len(standing) + 1))
            y += 1
            continue
        x = 0
        for width, builder in part.panels:
            panel = builder.build()
            panel.id_val = len(standing) + 1
            panel.grid_pos = GridPos(x=x, y=y, w=width, h=part.height)
            standing.append(panel)
            x += width
        y += part.height
    return standing


def _heading(title: str, *, y: int, number: int) -> RowPanel:
    row = Row(title).id(number).build()
    row.grid_pos = GridPos(x=0, y=y, w=COLUMNS, h=1)
    return row
