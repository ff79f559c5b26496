"""Where the real catalogue is, for the tests and benchmarks that can use it.

    export ARTISTCRAWL_CATALOGUE=artists.parquet      # the columns id, name and popularity

Nothing needs it: without the variable those tests are skipped, and benchmarks make artists up.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "ARTISTCRAWL_CATALOGUE"


def catalogue_file() -> Path | None:
    """The file that the variable names; None without it. A name of no file is an error, so that no typo skips tests."""
    name = os.environ.get(VARIABLE)
    if not name:
        return None
    path = Path(name)
    if not path.is_file():
        raise FileNotFoundError(f"{VARIABLE}={name} is no file")
    return path
