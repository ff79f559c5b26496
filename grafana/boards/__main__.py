"""Write the boards: `python -m grafana.boards [DIRECTORY]`."""

from __future__ import annotations

import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.boards import crawl, operator, workers

HERE = Path(__file__).parents[1] / "dashboards"
BOARDS = {"crawl": crawl.board, "workers": workers.board, "operator": operator.board}


def text_of(board: Dashboard) -> str:
    """As Grafana reads it; the same bytes each time."""
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(board) + "\n"


def main(arguments: list[str]) -> None:
    """Write all of them."""
    directory = Path(arguments[0]) if arguments else HERE
    directory.mkdir(parents=True, exist_ok=True)
    for name, board in BOARDS.items():
        (directory / f"{name}.json").write_text(text_of(board()), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
