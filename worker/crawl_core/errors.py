"""Every error that artistcrawl raises on purpose. Vendor errors are mapped to these where they enter.

    ArtistcrawlError
    ├── ConfigurationError          a person must act; a process that meets one exits 78
    │   ├── SpecError               the CrawlJob is invalid; carries every problem found
    │   ├── NameTakenError          another job of this name has a different keyspace or source
    │   └── SchemaVersionError      the ledger or a script layout is newer than this process knows
    ├── UnavailableError            a backend cannot be reached now; the same call may work later
    │   ├── LedgerUnavailableError
    │   └── RedisUnavailableError
    ├── UnknownJobError             the frontier does not know the job: wait until it is seeded again
    ├── FenceLostError              the range belongs to somebody else now: drop what is not committed
    └── BatchRefusedError           the ledger refused a batch for its data (SQLSTATE classes 21, 22, 23, 54)

An error of one module only, such as an expired permit, stands where it is raised.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

EXIT_CONFIGURATION = 78
"""Exit status of a process that cannot work as configured (sysexits' EX_CONFIG)."""

EXIT_USAGE = 2
"""Exit status of a process that does not understand its command line (argparse's)."""


class ArtistcrawlError(Exception):
    """The root: whatever is raised on purpose can be caught by this name."""


class ConfigurationError(ArtistcrawlError):
    """Something a person must change first. The message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a CrawlJob, and what to write instead."""

    path: str
    value: object
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.value)}: {self.message}"


_SHOWN_CHARACTERS = 80


def _shown(value: object) -> str:
    """A value as it stands in a file, of bounded size: aliases in YAML can make it huge before it is printed."""
    if isinstance(value, dict | list):
        return "{...}" if isinstance(value, dict) and value else "[...]" if value else "{}" if value == {} else "[]"
    text = json.dumps(value[:_SHOWN_CHARACTERS] if isinstance(value, str) else value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."


class SpecError(ConfigurationError):
    """A CrawlJob that cannot be run, with all that is wrong with it at once."""

    def __init__(self, origin: str, problems: Sequence[Problem]) -> None:
        self.origin = origin
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{origin}: {count} problem{'s' if count != 1 else ''}\n{lines}")


class NameTakenError(ConfigurationError):
    """The ledger holds an unfinished or finished job of this name with another keyspace or source."""


class SchemaVersionError(ConfigurationError):
    """The ledger's schema, or a script's layout, is of another version than this process works with."""


class UnavailableError(ArtistcrawlError):
    """A backend cannot be reached at the moment. Nothing is lost; try again."""


class LedgerUnavailableError(UnavailableError):
    """PostgreSQL cannot be reached, ended the connection, or refuses for a reason that may pass."""


class RedisUnavailableError(UnavailableError):
    """Redis or Valkey cannot be reached, ended the connection, or refuses for a reason that may pass."""


class UnknownJobError(ArtistcrawlError):
    """The frontier has no such job: it lost its memory, or has not been seeded yet."""


class FenceLostError(ArtistcrawlError):
    """The range is somebody else's now. What was not committed will be requested again by them."""


class BatchRefusedError(ArtistcrawlError):
    """The ledger refused the data of a batch. Bisect it, and dead-letter the culprit."""
