"""`artistcrawl validate FILE`: everything that is wrong with a CrawlJob, before anything is started."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from crawl_core.spec import read_crawljob
from crawl_worker.commands.output import say


def main(argv: Sequence[str] | None = None) -> int:
    """Print OK, or fail with every problem."""
    parser = argparse.ArgumentParser(prog="artistcrawl validate", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="a CrawlJob in YAML or JSON")
    arguments = parser.parse_args(argv)
    job = read_crawljob(arguments.file)
    say(f"{arguments.file}: OK: CrawlJob {job.metadata.namespace}/{job.metadata.name}")
    return 0
