"""Finds named SQL. Each file in `sql/` is one group; in it `-- name: NAME` begins a query, and comments its contract.

What runs is what stands in the file, without comments and indentation. Several queries of a file that return the same
columns share their list: `-- fragment: NAME` begins it, and `-- include: NAME` stands where it goes. `{search}` and
`{run_artist}` stand for the tables that hold a run's rows (migration 0007).
"""

from __future__ import annotations

from functools import cache
from importlib import resources

_MARK = "-- name: "
_FRAGMENT = "-- fragment: "
_INCLUDE = "-- include: "

_TABLES_OF_A_RUN = (b"search", b"run_artist")

FIRST_LARGE_RUN = 1_000_000_000
"""Runs from this id on have tables of their own."""


@cache
def query(name: str, run_id: int | None = None) -> bytes:
    """The query NAME of `sql/GROUP.sql`, asked for as `GROUP.NAME`. Raises KeyError when there is none.

    `run_id`: of the run whose tables it reads or writes, so that no other run's are planned or locked.
    """
    if run_id is not None:
        return _with_tables(query(name), run_id)
    group, _, wanted = name.partition(".")
    try:
        return _queries(group)[wanted]
    except (FileNotFoundError, KeyError):
        raise KeyError(f"no query {name!r}: sql/{group}.sql needs a line '{_MARK}{wanted}'") from None


def _with_tables(text: bytes, run_id: int) -> bytes:
    part = b"%d" % run_id if run_id >= FIRST_LARGE_RUN else b"small"
    for table in _TABLES_OF_A_RUN:
        text = text.replace(b"{%s}" % table, b"%s_%s" % (table, part))
    return text


def groups() -> list[str]:
    """The groups there are."""
    files = (resources.files("crawl_core") / "sql").iterdir()
    return sorted(file.name.removesuffix(".sql") for file in files if file.name.endswith(".sql"))


def names(group: str) -> list[str]:
    """The full names of a group's queries."""
    return [f"{group}.{name}" for name in _queries(group)]


@cache
def _queries(group: str) -> dict[str, bytes]:
    text = (resources.files("crawl_core") / "sql" / f"{group}.sql").read_text(encoding="utf-8")
    return parse(text)


def parse(text: str) -> dict[str, bytes]:
    """The queries of one file. psycopg remembers texts below 4 KiB only, so nothing superfluous is sent.

    Raises ValueError for two of one name, and for a fragment that is included before it stands in the file.
    """
    queries: dict[str, list[str]] = {}
    fragments: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        code = line.strip()
        if code.startswith(_MARK):
            lines = _begun(queries, code.removeprefix(_MARK))
        elif code.startswith(_FRAGMENT):
            lines = _begun(fragments, code.removeprefix(_FRAGMENT))
        elif code.startswith(_INCLUDE):
            name = code.removeprefix(_INCLUDE)
            if name not in fragments:
                raise ValueError(f"no fragment {name!r}: write '{_FRAGMENT}{name}' above what includes it")
            lines += fragments[name]
        elif code and not code.startswith("--"):
            lines.append(code.partition(" -- ")[0].rstrip())
    return {name: "\n".join(lines).rstrip(";").encode() for name, lines in queries.items()}


def _begun(named: dict[str, list[str]], name: str) -> list[str]:
    if name in named:
        raise ValueError(f"two queries are named {name!r}")
    named[name] = []
    return named[name]
