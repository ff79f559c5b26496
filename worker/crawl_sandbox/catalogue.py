"""The artists the sandbox knows, read from Parquet or CSV, in the order in which answers list them.

Columns are `id`, `name`, and optionally `popularity`, `genres`, `followers`; others are ignored. A row without an id or
a name, or an id that occurs twice, is an error: an oracle computed from the same file would disagree with the answers.
"""

from __future__ import annotations

import codecs
import csv
import itertools
import json
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from crawl_sandbox.errors import CatalogueError

_BATCH_ROWS = 16_384
_COLUMNS = ("id", "name", "popularity", "genres", "followers")


class Row(NamedTuple):
    """One artist as a file or the generator gives it."""

    id: str
    name: str
    popularity: int = 0
    genres: tuple[str, ...] = ()
    followers: int | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Artists by rank: popularity descending, then id. Columns, because 250,000 objects would cost 100 MB more."""

    ids: Sequence[str]
    names: Sequence[str]
    popularity: Sequence[int]
    genres: Sequence[tuple[str, ...]]
    followers: Sequence[int]
    by_id: Sequence[int]

    def __len__(self) -> int:
        return len(self.ids)

    def rank_of(self, artist_id: str) -> int | None:
        """Return the rank of an id, or None when the catalogue has no such artist."""
        at = bisect_left(self.by_id, artist_id, key=self.ids.__getitem__)
        if at < len(self.by_id) and self.ids[self.by_id[at]] == artist_id:
            return self.by_id[at]
        return None


def arrange(rows: Iterable[Row]) -> Catalogue:
    """Return the rows as a catalogue, in the order of answers."""
    ids: list[str] = []
    names: list[str] = []
    popularity = array("b")
    genres: list[tuple[str, ...]] = []
    followers = array("q")
    for row in rows:
        ids.append(row.id)
        names.append(row.name)
        popularity.append(row.popularity)
        genres.append(row.genres)
        followers.append(-1 if row.followers is None else row.followers)
    order = sorted(range(len(ids)), key=lambda i: (-popularity[i], ids[i]))
    ids = [ids[i] for i in order]
    by_id = array("I", sorted(range(len(ids)), key=ids.__getitem__))
    for earlier, later in itertools.pairwise(by_id):
        if ids[earlier] == ids[later]:
            raise CatalogueError(f"the catalogue has the id {ids[later]!r} twice: keep one row of it")
    return Catalogue(
        ids=ids,
        names=[names[i] for i in order],
        popularity=array("b", (popularity[i] for i in order)),
        genres=[genres[i] for i in order],
        followers=array("q", (followers[i] for i in order)),
        by_id=by_id,
    )


def load(path: Path) -> Catalogue:
    """Read a catalogue file. Raises CatalogueError with what to write instead."""
    readers = {".parquet": _parquet_records, ".csv": _csv_records}
    if path.suffix.lower() not in readers:
        raise CatalogueError(f"{path}: give a file that ends in .parquet or .csv")
    if not path.is_file():
        raise CatalogueError(f"{path}: there is no such file")
    records = readers[path.suffix.lower()](path)
    return arrange(_row(path, number, record) for number, record in enumerate(records, start=1))


def _row(path: Path, number: int, record: dict[str, Any]) -> Row:
    """Check one record. Absent values are normal, wrong ones are not."""
    try:
        if not record["id"] or not record["name"]:
            raise ValueError("id and name must not be empty")
        followers = record.get("followers")
        row = Row(
            id=str(record["id"]),
            name=str(record["name"]),
            popularity=int(record.get("popularity") or 0),
            genres=_genres(record.get("genres")),
            followers=None if followers in (None, "") else int(followers),
        )
        if not 0 <= row.popularity <= 100:
            raise ValueError(f"popularity {row.popularity} is not within 0..100")
    except (ValueError, TypeError) as error:
        raise CatalogueError(f"{path}: artist {number}: {error}") from error
    return row


def _genres(value: object) -> tuple[str, ...]:
    """Read a list column, or in CSV a JSON list or words separated by semicolons."""
    if not value:
        return ()
    if isinstance(value, str):
        if value.startswith("["):
            return tuple(str(genre) for genre in json.loads(value))
        return tuple(genre.strip() for genre in value.split(";") if genre.strip())
    if isinstance(value, list):
        return tuple(value)
    raise TypeError(f"genres {value!r} is neither a list nor text")


def _check_columns(path: Path, names: Iterable[str]) -> None:
    missing = [column for column in ("id", "name") if column not in set(names)]
    if missing:
        raise CatalogueError(f"{path}: no column {' and no column '.join(missing)}; needed are id and name")


def _parquet_records(path: Path) -> Iterator[dict[str, Any]]:
    # Imported here: it costs 80 ms and 50 MB that a synthetic catalogue need not pay.
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow.names)
            columns = [name for name in _COLUMNS if name in file.schema_arrow.names]
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=columns):
                values = [batch.column(name).to_pylist() for name in columns]
                for row in zip(*values, strict=True):
                    yield dict(zip(columns, row, strict=True))
    except pyarrow.ArrowException as error:
        raise CatalogueError(f"{path}: not a readable Parquet file: {error}") from error


def _csv_records(path: Path) -> Iterator[dict[str, Any]]:
    _check_encoding(path)
    try:
        # Spreadsheets put a byte order mark before UTF-8; read as text it would be part of the first column's name.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            _check_columns(path, reader.fieldnames or ())
            yield from reader
    except (UnicodeDecodeError, csv.Error) as error:
        raise CatalogueError(f"{path}: not a readable CSV file in UTF-8: {error}") from error


def _check_encoding(path: Path) -> None:
    """Refuse UTF-16 and UTF-32, with or without a mark, which as UTF-8 fail with words that help nobody."""
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in start:
        raise CatalogueError(f"{path}: this is UTF-16 or UTF-32: save it as UTF-8 (in a spreadsheet: CSV UTF-8)")
