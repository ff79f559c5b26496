"""Writes the CRD into files, or with --check fails where a file is not what the types say.

python -m crawl_operator.crd [--check] [FILE...]      by default the repository's k8s/crds
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from crawl_operator.crd.resource import text

CANONICAL = Path(__file__).parents[3] / "k8s" / "crds" / "crawljobs.artistcrawl.dev.yaml"


def main(arguments: list[str] | None = None) -> int:
    """Write or check. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m crawl_operator.crd", description="The CRD, from the types.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file differs")
    parser.add_argument("files", nargs="*", type=Path, default=[CANONICAL], metavar="FILE")
    options = parser.parse_args(arguments)
    wanted, different = text(), []
    for file in options.files:
        if options.check and (not file.exists() or file.read_text() != wanted):
            different.append(file)
        elif not options.check:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted)
    for file in different:
        sys.stderr.write(f"{file} is not what the types say; run make sync\n")
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
