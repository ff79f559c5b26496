"""`python -m grafana.install`: everything, as the environment says. Its --help lists the variables."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from grafana.install.api import Grafana
from grafana.install.sources import InstallError, Json, board_request, postgres_source, prometheus_source

BOARDS = Path(__file__).parents[1] / "dashboards"
OLDEST_GRAFANA = 11


def install(grafana: Grafana, *, sources: Sequence[Json], boards: Sequence[Json], runbook_url: str = "") -> bool:
    """Put everything there and say where. False where a data source gives no data."""
    version = grafana.version()
    major = version.partition(".")[0]
    if major.isdigit() and int(major) < OLDEST_GRAFANA:
        _warn(f"this is Grafana {version}: the boards are made for {OLDEST_GRAFANA} and newer")
    for source in sources:
        grafana.put_source(source)
    grafana.put_folder()
    for board in boards:
        request = board_request(board, sources, runbook_url=runbook_url)
        _say(f"{board['title']}: {grafana.put_board(request)}")
    troubles = {source["name"]: grafana.trouble_with(source) for source in sources}
    for name, trouble in troubles.items():
        if trouble is not None:
            _warn(f"{name} is made, but gives no data: {trouble}: its URL must be one that Grafana reaches")
    return not any(troubles.values())


def read_boards(folder: Path) -> list[Json]:
    """All of a folder."""
    boards = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    if not boards:
        raise InstallError(f"{folder} holds no boards")
    return boards


def read_sources(environment: Mapping[str, str]) -> list[Json]:
    """Those whose URLs are given."""
    sources = []
    if url := environment.get("PROMETHEUS_URL"):
        sources.append(prometheus_source(url, scrape_interval=environment.get("SCRAPE_INTERVAL") or "15s"))
    if url := environment.get("POSTGRES_URL"):
        sources.append(postgres_source(url))
    return sources


def main(argv: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> int:
    """Install as the environment says. 0: all is there, and the data sources answer."""
    arguments = _parser().parse_args(argv)
    try:
        sources, boards = read_sources(environment), read_boards(arguments.boards)
        runbook_url = environment.get("RUNBOOK_URL", "").rstrip("/")
        grafana = Grafana(environment.get("GRAFANA_URL", ""), token=environment.get("GRAFANA_TOKEN", ""))
        return 0 if install(grafana, sources=sources, boards=boards, runbook_url=runbook_url) else 1
    except InstallError as error:
        _warn(str(error))
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m grafana.install",
        description="Put the boards and their data sources into a Grafana. Safe to run again.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""environment:
  GRAFANA_URL      http://USER:PASSWORD@HOST:3000
  GRAFANA_TOKEN    of a service account with the role Admin, instead of USER:PASSWORD
  PROMETHEUS_URL   http://HOST:9090, as Grafana reaches it; without it the boards use a data source that is there
  POSTGRES_URL     postgresql://USER:PASSWORD@HOST:5432/DATABASE, of a role that may only read; likewise
  SCRAPE_INTERVAL  how often Prometheus scrapes (default: 15s)
  RUNBOOK_URL      where your copy of the runbooks is, for the boards' links""",
    )
    parser.add_argument("--boards", type=Path, default=BOARDS, metavar="DIR", help="the boards (default: all of ours)")
    return parser


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _warn(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
