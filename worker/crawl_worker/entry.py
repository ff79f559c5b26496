"""The console script `artistcrawl`: Ctrl-C ends it in words also while it still imports what it needs."""

from __future__ import annotations

import sys

_EXIT_INTERRUPTED = 130


def main() -> int:
    """Run the command line; its exit status."""
    try:
        # Here, and not above: it is the import that takes long.
        from crawl_worker.cli import main as run_command

        return run_command()
    except KeyboardInterrupt:
        sys.stderr.write("artistcrawl: interrupted\n")
        return _EXIT_INTERRUPTED
