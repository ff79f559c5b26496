"""Writes the CRD and the page of its fields, or with --check fails where a file is not what the types say.

python -m crawl_operator.crd [--check] [FILE...]      by default the repository's k8s/crds and docs/crawljob.md

A FILE that ends in .md gets the page, any other one the CRD.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from crawl_operator.crd.reference import page
from crawl_operator.crd.resource import text

_ROOT = Path(__file__).parents[3]
CANONICAL = _ROOT / "k8s" / "crds" / "crawljobs.artistcrawl.dev.yaml"
REFERENCE = _ROOT / "docs" / "crawljob.md"


def main(arguments: list[str] | None = None) -> int:
    """Write or check. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m crawl_operator.crd", description="The CRD, from the types.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file differs")
    parser.add_argument("files", nargs="*", type=Path, default=[CANONICAL, REFERENCE], metavar="FILE")
    options = parser.parse_args(arguments)
    outdated = []
    for file in options.files:
        wanted = page() if file.suffix == ".md" else text()
        if options.check and (not file.exists() or file.read_text(encoding="utf-8") != wanted):
            outdated.append(file)
        elif not options.check:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted, encoding="utf-8")
    for file in outdated:
        sys.stderr.write(f"{file} is not what the types say; run make sync\n")
    return bool(outdated)


if __name__ == "__main__":
    sys.exit(main())
