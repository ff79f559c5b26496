"""`python -m tests.bench [NAME ...]`: run the benchmarks (the usual ones, or bench_NAME.py), print a table and keep it.

Exit status 1 when a goal is missed. results.md keeps the last run of each benchmark, so that one can be run alone.
"""

from __future__ import annotations

import datetime as dt
import importlib
import os
import platform
import sys
import time
from pathlib import Path

from tests.bench.rows import Row

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # where the tests' own modules lie, as for pytest
RESULTS = HERE / "results.md"
ON_REQUEST = {"growth", "operator"}
"""Those that take long or need an API server: run when named."""
HEADER = "| what | measured | goal | |\n|---|---:|---:|---|\n"


def main(names: list[str]) -> int:
    there = sorted(file.stem.removeprefix("bench_") for file in HERE.glob("bench_*.py"))
    unknown = set(names) - set(there)
    if unknown:
        print(f"no benchmark {', '.join(sorted(unknown))}: write some of {', '.join(there)}", file=sys.stderr)
        return 2
    kept, missed = sections(), 0
    for name in names or [each for each in there if each not in ON_REQUEST]:
        started = time.perf_counter()
        rows = importlib.import_module(f"tests.bench.bench_{name}").run()
        seconds = time.perf_counter() - started
        kept[name] = f"{machine()}, {seconds:.0f} s.\n\n" + HEADER + "".join(map(line, rows))
        print(f"\n## {name}\n\n{kept[name]}", flush=True)
        missed += sum(row.ok is False for row in rows)
    RESULTS.write_text(
        "# Benchmarks\n\nThe last run of each, kept by `make bench`.\n"
        + "".join(f"\n## {name}\n\n{text.strip()}\n" for name, text in sorted(kept.items()))
    )
    print(f"{missed} goals missed" if missed else "all goals held")
    return 1 if missed else 0


def sections() -> dict[str, str]:
    """What the results file holds so far, by benchmark."""
    if not RESULTS.exists():
        return {}
    parts = RESULTS.read_text().split("\n## ")[1:]
    return {name: text for name, _, text in (part.partition("\n\n") for part in parts)}


def machine() -> str:
    today = dt.datetime.now(dt.UTC).date()
    return f"{today}, {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def line(row: Row) -> str:
    mark = {True: "holds", False: "MISSED", None: ""}[row.ok]
    digits = 2 if abs(row.value) < 100 else 0
    return f"| {row.name} | {row.value:,.{digits}f} {row.unit} | {row.goal} | {mark} |\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
