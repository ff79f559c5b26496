"""`artistcrawl migrate`: the ledger's schema, brought to the version that this release knows."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from crawl_core.backends.migrate import known_version, migrate
from crawl_worker.commands.output import say
from crawl_worker.data.backends import add_flags, answering, backends


def main(argv: Sequence[str] | None = None) -> int:
    """Apply what is missing, and say what."""
    parser = argparse.ArgumentParser(prog="artistcrawl migrate", description=__doc__)
    add_flags(parser)
    arguments = parser.parse_args(argv)
    with backends(arguments) as urls, answering(urls.postgres):
        applied = asyncio.run(migrate(urls.postgres))
    say(f"applied: {', '.join(applied)}" if applied else "nothing to do")
    say(f"the ledger's schema is version {known_version()}")
    return 0
