"""Writes artists, searches or requests to a file: streamed, so that memory does not grow with the ledger, and whole or
not at all. What is no file (stdout, a pipe) gets the rows as they come.

Parquet and JSON Lines keep lists and objects; CSV has them as JSON text. The columns are those of `sql/export.sql`.
"""

from __future__ import annotations

import csv
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import msgspec

from crawl_core.errors import ConfigurationError
from crawl_core.ledger.ledger import Ledger

What = Literal["artists", "searches", "requests"]
Format = Literal["parquet", "csv", "jsonl"]

CHUNK_ROWS = 10_000
"""Rows held at once, and a Parquet file's row group: some 10 MB of artists."""

STDOUT = (Path("-"), Path("/dev/stdout"))
"""Names of what is open already. Opened again, it would empty the file that it was redirected to."""

_TIME = "timestamp"
_COLUMNS: dict[What, dict[str, str]] = {
    "artists": {
        "source": "string",
        "source_type": "string",
        "market": "string",
        "id": "string",
        "name": "string",
        "popularity": "int16",
        "followers": "int64",
        "genres": "list<string>",
        "images": "list<image>",
        "first_query": "string",
        "first_seen": _TIME,
        "last_seen": _TIME,
    },
    "searches": {
        "namespace": "string",
        "job": "string",
        "run": "int32",
        "string": "string",
        "pages": "int16",
        "total": "int32",
        "results": "int16",
        "truncated": "bool",
        "new_artists": "int16",
        "finished_at": _TIME,
    },
    "requests": {
        "namespace": "string",
        "job": "string",
        "at": _TIME,
        "string": "string",
        "page_offset": "int16",
        "page_size": "int16",
        "status": "int16",
        "outcome": "string",
        "duration_s": "float32",
        "worker": "string",
    },
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows; None: all."""

    job_id: int | None = None
    run_id: int | None = None
    source: str | None = None
    """A dataset's name, or TYPE:NAME."""


EVERYTHING = Selection()


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source of the ledger."""

    source: str
    type: str
    market: str | None
    has_artists: bool

    def __str__(self) -> str:
        return self.name if self.market is None else f"{self.name} (market {self.market})"

    @property
    def name(self) -> str:
        """TYPE:NAME: two types may have the same name."""
        return f"{self.type}:{self.source}"


async def sources(ledger: Ledger) -> list[SourceRow]:
    """The sources that the ledger has."""
    return await ledger.rows("export.sources", into=SourceRow)


class _WriteRows(Protocol):
    def __call__(self, rows: Sequence[tuple[Any, ...]], /) -> None: ...


async def export(ledger: Ledger, what: What, format: Format, output: Path, *, selection: Selection = EVERYTHING) -> int:
    """Write the rows; how many. The file appears, or is replaced, when it is complete."""
    count = 0
    with _opened(output) as file, _FORMATS[format](file, _COLUMNS[what]) as write:
        async with ledger.stream(f"export.{what}", asdict(selection), chunk=CHUNK_ROWS) as chunks:
            async for rows in chunks:
                write(rows)
                count += len(rows)
    return count


def is_stream(output: Path) -> bool:
    """Whether the rows go somewhere that cannot be replaced: stdout, a pipe, a device."""
    return output in STDOUT or _kind(output) not in (None, stat.S_IFREG, stat.S_IFDIR)


def check(output: Path) -> None:
    """Find out before any query what cannot be written to. Raises ConfigurationError."""
    if _kind(output) == stat.S_IFDIR:
        raise ConfigurationError(f"{output} is a folder: write --output with a file's name, such as {output}/rows.csv")


def _kind(path: Path) -> int | None:
    """What the path leads to, behind symlinks; None where nothing is there, or nothing that may be looked at."""
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except OSError:
        return None


@contextmanager
def _opened(output: Path) -> Iterator[IO[bytes]]:
    check(output)
    if output in STDOUT:
        sys.stdout.flush()
        with open(sys.stdout.fileno(), "wb", closefd=False) as file:
            yield file
    elif is_stream(output):
        with _writable(output, output, "wb") as file:
            yield file
    else:
        # Behind a symlink, the file it leads to is replaced and the link stays.
        with _complete_or_not_at_all(Path(os.path.realpath(output)), output) as file:
            yield file


def _writable(path: Path, output: Path, mode: Literal["wb", "xb"]) -> IO[bytes]:
    try:
        return path.open(mode)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {output} ({error.strerror}): write --output with a folder that exists and is yours"
        ) from error


@contextmanager
def _complete_or_not_at_all(target: Path, output: Path) -> Iterator[IO[bytes]]:
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    file = _writable(partial, output, "xb")
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _csv(file: IO[bytes], columns: dict[str, str]) -> Iterator[_WriteRows]:
    lists = [number for number, kind in enumerate(columns.values()) if kind.startswith("list")]
    times = [number for number, kind in enumerate(columns.values()) if kind == _TIME]
    encode = msgspec.json.encode

    def write(rows: Sequence[tuple[Any, ...]]) -> None:
        for row in rows:
            fields = list(row)
            for number in lists:
                fields[number] = None if row[number] is None else encode(row[number]).decode()
            for number in times:
                fields[number] = None if row[number] is None else row[number].isoformat()
            writer.writerow(fields)

    with open(file.fileno(), "w", encoding="utf-8", newline="", closefd=False) as text:
        writer = csv.writer(_LinesOfCsv(text), lineterminator=_CSV_END)
        writer.writerow(columns)
        yield write


_CSV_END = "\r\n"
"""What csv is told that a row ends with: CPython before 3.11.9 and 3.12.3 quotes a lone carriage return in a field only
where the end of a row has one, and any reader would take it for an end of a row."""


class _LinesOfCsv:
    """Rows of csv as lines that end as those of the other formats do."""

    def __init__(self, text: IO[str]) -> None:
        self._write = text.write

    def write(self, row: str) -> None:
        """Write one row: csv hands it over whole."""
        self._write(f"{row.removesuffix(_CSV_END)}\n")


@contextmanager
def _jsonl(file: IO[bytes], columns: dict[str, str]) -> Iterator[_WriteRows]:
    names = list(columns)
    encoder = msgspec.json.Encoder()

    def write(rows: Sequence[tuple[Any, ...]]) -> None:
        file.write(encoder.encode_lines([dict(zip(names, row, strict=True)) for row in rows]))

    yield write


@contextmanager
def _parquet(file: IO[bytes], columns: dict[str, str]) -> Iterator[_WriteRows]:
    import pyarrow as pa
    from pyarrow import parquet

    image = pa.struct([("url", pa.string()), ("height", pa.int32()), ("width", pa.int32())])
    types = {
        "string": pa.string(),
        "bool": pa.bool_(),
        "int16": pa.int16(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "float32": pa.float32(),
        _TIME: pa.timestamp("us", tz="UTC"),
        "list<string>": pa.list_(pa.string()),
        "list<image>": pa.list_(image),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])

    def write(rows: Sequence[tuple[Any, ...]]) -> None:
        arrays = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=True)]
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema))

    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        yield write


class _OpenFormat(Protocol):
    def __call__(self, file: IO[bytes], columns: dict[str, str], /) -> AbstractContextManager[_WriteRows]: ...


_FORMATS: dict[Format, _OpenFormat] = {"parquet": _parquet, "csv": _csv, "jsonl": _jsonl}
