"""The SQL of the boards as Grafana sends it.

It refuses to know Grafana's whole language: a macro that the boards' SQL begins to use is to be added here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

GRAFANA = Path(__file__).parents[3] / "grafana"
FOLDER = GRAFANA / "boards" / "sql"
NAMES = sorted(file.stem for file in FOLDER.glob("*.sql"))
READ_ONLY = GRAFANA / "readonly.sql"
_PASSWORD = "of-the-reader"


def admit_reader(url: str) -> None:
    """Make Grafana's own role in the database, as its readonly.sql says, and give it a password."""
    with psycopg.connect(url) as connection:
        connection.execute(READ_ONLY.read_bytes())
        connection.execute(f"ALTER ROLE grafana PASSWORD '{_PASSWORD}'")


def as_reader(url: str) -> psycopg.Connection:
    """A connection as Grafana's own."""
    return psycopg.connect(url, user="grafana", password=_PASSWORD, autocommit=True)


@dataclass(frozen=True)
class Board:
    """What somebody who looks at a board has chosen."""

    namespace: str | tuple[str, ...] = "default"
    crawljob: str | tuple[str, ...] = "artists"
    since: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    until: datetime = datetime(2100, 1, 1, tzinfo=UTC)
    interval: timedelta = timedelta(minutes=1)
    """The width of a point of a time series."""

    def sql(self, name: str) -> str:
        """The query of one file, its variables and macros replaced."""
        text = (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
        text = re.sub(r"^--.*\n", "", text, flags=re.MULTILINE)
        since, until = f"'{self.since.isoformat()}'", f"'{self.until.isoformat()}'"
        values = {
            "${namespace:sqlstring}": _literals(self.namespace),
            "${crawljob:sqlstring}": _literals(self.crawljob),
            "$__interval_ms": str(self.interval // timedelta(milliseconds=1)),
            "$__timeFrom()": since,
            "$__timeTo()": until,
        }
        for macro, value in values.items():
            text = text.replace(macro, value)
        text = re.sub(r"\$__timeFilter\(([\w.]+)\)", rf"\1 BETWEEN {since} AND {until}", text)
        if "$" in text:
            raise ValueError(f"{name}.sql has a macro that {Path(__file__).name} does not know")
        return text


def _literals(chosen: str | tuple[str, ...]) -> str:
    """As the format sqlstring writes one value or several."""
    values = (chosen,) if isinstance(chosen, str) else chosen
    return ",".join("'" + value.replace("'", "''") + "'" for value in values)
