"""Data out of a real ledger: every row, in every format, whole or not at all, in bounded memory."""

import asyncio
import csv
import datetime as dt
import json
import os
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyarrow import csv as pyarrow_csv
from pyarrow import parquet
from support.fakes.ledgers import (
    NOW_US,
    artist,
    batch_of,
    crawljob,
    open_ledger,
    record,
    take,
    taken_first_range,
    value,
)

from crawl_core.errors import ConfigurationError, LedgerUnavailableError
from crawl_core.ledger import batches, jobs, ranges, runs
from crawl_core.values.rows import RequestRow
from crawl_worker import cli
from crawl_worker.data import export as module
from crawl_worker.data.export import Selection, export

SEEN = dt.datetime.fromtimestamp(NOW_US // 1_000_000, dt.UTC).replace(microsecond=NOW_US % 1_000_000)
BEYONCE = artist("B", name='Beyoncé, "Queen"\nB', images=[{"url": "u", "height": 640, "width": 640}])
ODD_NAMES = [
    "a\rb",
    "a\nb",
    "a\r\nb",
    "\r",
    "a\n",
    '"',
    '""\r',
    ",",
    "a\tb",
    "\x1b]0;x\x07",
    "\x0b\x0c\x1c\x85",
    "\u2028",
    " a ",
]
BARE = artist("C", popularity=None, followers=None, genres=None, images=None)


@pytest.fixture
async def ledger(ledger_url):
    async with open_ledger(ledger_url) as opened:
        job = await record(opened)
        row, owner = await taken_first_range(opened, job)
        now_us = int(await value(opened, "SELECT extract(epoch FROM now()) * 1000000"))
        log = [RequestRow(now_us, "aa00", 0, 50, None, "timeout", 0.5, "w")]
        batch = batch_of(row, owner, strings=["aa00", "aa01"], artists=[BEYONCE, BARE], requests=log)
        assert await batches.commit(opened, batch) is not None
        yield opened


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("ends", ["\r", "\n", "\r\n"])
def test_names_with_whatever_ends_a_line_are_read_back_from_csv_as_they_were(tmp_path, ends):
    names = [*ODD_NAMES, f"a{ends}b{ends}"]
    output = tmp_path / "names.csv"
    with output.open("wb") as file, module._csv(file, {"id": "string", "name": "string"}) as write:
        write([(str(number), name) for number, name in enumerate(names)])
    assert [row["name"] for row in read_csv(output)] == names
    options = pyarrow_csv.ParseOptions(newlines_in_values=True)
    assert pyarrow_csv.read_csv(output, parse_options=options)["name"].to_pylist() == names


@pytest.mark.parametrize(("what", "count"), [("artists", 2), ("searches", 2), ("requests", 1)])
@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
async def test_every_row_is_in_the_file(ledger, tmp_path, what, count, kind):
    output = tmp_path / f"{what}.{kind}"
    assert await export(ledger, what, kind, output) == count
    if kind == "parquet":
        assert parquet.read_table(output).num_rows == count
    elif kind == "csv":
        assert len(read_csv(output)) == count
    else:
        assert len([json.loads(line) for line in output.read_text().splitlines()]) == count


async def test_parquet_keeps_types_lists_objects_and_what_is_missing(ledger, tmp_path):
    await export(ledger, "artists", "parquet", tmp_path / "a.parquet")
    first, second = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert first["images"] == [{"url": "u", "height": 640, "width": 640}]
    assert (first["name"], first["genres"], first["first_seen"]) == ('Beyoncé, "Queen"\nB', ["pop"], SEEN)
    assert [second[name] for name in ("popularity", "followers", "genres", "images")] == [None] * 4


async def test_csv_has_lists_as_json_and_times_with_their_zone(ledger, tmp_path):
    await export(ledger, "artists", "csv", tmp_path / "a.csv")
    first, second = read_csv(tmp_path / "a.csv")
    assert (first["name"], first["genres"], first["first_seen"]) == ('Beyoncé, "Queen"\nB', '["pop"]', SEEN.isoformat())
    assert (second["followers"], second["genres"]) == ("", "")


async def test_one_job_exports_its_own_artists_and_searches_only(ledger, tmp_path):
    other = await record(ledger, crawljob("other"), uid="uid-2")
    row, owner = await take(ledger, (await ranges.open_ids(ledger, other.id, limit=1))[0], job_uid="uid-2")
    await batches.commit(ledger, batch_of(row, owner, strings=["aa00"], artists=[artist("Z")]))
    own = Selection(job_id=other.id, run_id=other.run_id)
    assert await export(ledger, "artists", "jsonl", tmp_path / "a", selection=own) == 1
    assert await export(ledger, "searches", "jsonl", tmp_path / "s", selection=own) == 1
    assert await export(ledger, "requests", "jsonl", tmp_path / "r", selection=own) == 0
    assert await export(ledger, "artists", "jsonl", tmp_path / "a") == 3


async def test_nothing_to_export_is_a_file_of_columns(ledger_url, tmp_path):
    async with open_ledger(ledger_url) as ledger:
        assert await export(ledger, "searches", "parquet", tmp_path / "s.parquet") == 0
    assert parquet.read_schema(tmp_path / "s.parquet").names[:3] == ["namespace", "job", "run"]


async def test_an_export_that_fails_leaves_the_old_file_and_no_other(fresh_postgres, tmp_path, monkeypatch):
    from crawl_core.backends.migrate import migrate

    monkeypatch.setattr(module, "CHUNK_ROWS", 1)
    await migrate(fresh_postgres.url())
    output = tmp_path / "a.jsonl"
    output.write_text("old")
    async with open_ledger(fresh_postgres.url()) as ledger:
        await value(ledger, "SELECT source_row('Sandbox', 'sandbox', '')")
        rows = "SELECT n, 1, now(), now(), n::text, 'n', 'q' FROM generate_series(1, 50000) n"
        await value(
            ledger,
            "WITH added AS (INSERT INTO artist (key, source_id, first_seen, last_seen, id, name, first_query)"
            f" {rows} RETURNING 1) SELECT count(*) FROM added",
        )
        original = module._FORMATS["jsonl"]
        monkeypatch.setitem(module._FORMATS, "jsonl", stopping(original, fresh_postgres))
        with pytest.raises(LedgerUnavailableError):
            await export(ledger, "artists", "jsonl", output)
    assert output.read_text() == "old"
    assert list(tmp_path.iterdir()) == [output]


def stopping(original, server):
    """A format whose first chunk is the server's last."""
    from contextlib import contextmanager

    @contextmanager
    def opened(file, columns):
        with original(file, columns) as write:

            def write_and_stop(rows):
                write(rows)
                server.stop_immediately()

            yield write_and_stop

    return opened


async def test_a_folder_that_is_not_there_names_the_remedy(ledger, tmp_path):
    with pytest.raises(ConfigurationError, match="--output with a folder that exists"):
        await export(ledger, "artists", "csv", tmp_path / "nowhere" / "a.csv")


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
async def test_a_pipe_gets_the_rows_and_stays_a_pipe(ledger, tmp_path, kind):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as threads:
        reading = threads.submit(pipe.read_bytes)
        assert await export(ledger, "artists", kind, pipe) == 2
    got = reading.result()
    assert pipe.is_fifo()
    await export(ledger, "artists", kind, tmp_path / "file")
    assert got == (tmp_path / "file").read_bytes()


async def test_a_symlink_stays_and_what_it_leads_to_is_replaced(ledger, tmp_path):
    (tmp_path / "link.csv").symlink_to("real.csv")
    (tmp_path / "real.csv").write_text("old")
    await export(ledger, "artists", "csv", tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert len(read_csv(tmp_path / "real.csv")) == 2


def test_a_dash_is_stdout_and_the_count_is_beside_it(ledger_url, capfd, monkeypatch):
    monkeypatch.setenv("ARTISTCRAWL_POSTGRES_URL", ledger_url)
    assert cli.main(["export", "artists", "--format", "csv", "--output", "-"]) == 0
    out, err = capfd.readouterr()
    assert (
        out == "source,source_type,market,id,name,popularity,followers,genres,images,first_query,first_seen,last_seen\n"
    )
    assert err.startswith("0 artists in stdout")


def test_a_folder_is_refused_before_anything_is_asked(tmp_path, capsys):
    nowhere = "postgresql://127.0.0.1:1/ledger"
    arguments = ["--format", "csv", "--output", str(tmp_path), "--postgres", nowhere]
    assert cli.main(["export", "artists", *arguments]) == 78
    assert f"{tmp_path} is a folder: write --output with a file's name" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
async def test_memory_does_not_grow_with_the_ledger(ledger, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(module, "CHUNK_ROWS", 200)
    rows = "SELECT -n, 1, now(), now(), 'x' || n, repeat('n', 2000), 'q' FROM generate_series(1, 6000) n"
    insert = f"INSERT INTO artist (key, source_id, first_seen, last_seen, id, name, first_query) {rows} RETURNING 1"
    await value(ledger, f"WITH added AS ({insert}) SELECT count(*) FROM added")
    await export(ledger, "searches", kind, tmp_path / "warm")
    tracemalloc.start()
    await export(ledger, "artists", kind, tmp_path / "a")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000  # all rows at once are 12 MB


@pytest.fixture
async def two_sources(ledger):
    """The ledger with another job beside it, of another source, which has found an artist of its own and one of the
    same id."""
    other = await record(ledger, crawljob("other", source={"dataset": "mine"}), uid="uid-2")
    row, owner = await take(ledger, (await ranges.open_ids(ledger, other.id, limit=1))[0], job_uid="uid-2")
    await batches.commit(ledger, batch_of(row, owner, strings=["aa00"], artists=[artist("B"), artist("Z")]))
    return ledger


@pytest.fixture
def exported(ledger_url, capfd, monkeypatch):
    """Runs the command; (rows, stderr, exit status)."""
    monkeypatch.setenv("ARTISTCRAWL_POSTGRES_URL", ledger_url)

    async def run(what, *arguments):
        line = ["export", what, "--format", "jsonl", "--output", "-", *arguments]
        status = await asyncio.to_thread(cli.main, line)
        out, err = capfd.readouterr()
        return [json.loads(line) for line in out.splitlines()], err, status

    return run


async def test_artists_of_two_sources_in_one_file_are_told_of(two_sources, exported):
    rows, err, _ = await exported("artists")
    assert sorted((row["source"], row["id"]) for row in rows) == [
        ("mine", "B"),
        ("mine", "Z"),
        ("sandbox", "B"),
        ("sandbox", "C"),
    ]
    assert err.startswith("artists of 2 sources: Sandbox:mine, Sandbox:sandbox; the columns source, source_type and")


async def test_two_types_that_share_a_datasets_name_are_told_apart(ledger, exported):
    real = {"type": "Spotify", "spotify": {"termsAccepted": True}, "credentialsSecretRef": {"name": "s"}}
    sources = {"uid-2": ("Sandbox", {"dataset": "spotify"}), "uid-3": ("Spotify", real)}
    for uid, (kind, source) in sources.items():
        job = await record(ledger, crawljob(uid, source=source), uid=uid)
        row, owner = await take(ledger, (await ranges.open_ids(ledger, job.id, limit=1))[0], job_uid=uid)
        await batches.commit(ledger, batch_of(row, owner, strings=["aa00"], artists=[artist(f"of-{kind}")]))
    rows, err, _ = await exported("artists", "--source", "spotify")
    assert [(row["source"], row["source_type"], row["id"]) for row in rows] == [
        ("spotify", "Sandbox", "of-Sandbox"),
        ("spotify", "Spotify", "of-Spotify"),
    ]
    assert err.startswith("artists of 2 sources: Sandbox:spotify, Spotify:spotify;")
    rows, err, _ = await exported("artists", "--source", "Spotify:spotify")
    assert [row["id"] for row in rows] == ["of-Spotify"]
    assert err.startswith("1 artists of Spotify:spotify in stdout")
    assert [row["job"] for row in (await exported("searches", "--source", "Spotify:spotify"))[0]] == ["uid-3"]
    told = "SELECT array_agg(source_type || ':' || source ORDER BY 1) FROM {} WHERE source = 'spotify'"
    for view in ("runs", "progress", "searches", "run_artists"):
        assert await value(ledger, told.format(view)) == ["Sandbox:spotify", "Spotify:spotify"], view


async def test_artists_of_one_source_only_are_not_warned_of(ledger, exported):
    _, err, _ = await exported("artists")
    assert err.startswith("2 artists in stdout")


@pytest.mark.parametrize(("what", "count"), [("artists", 2), ("searches", 1), ("requests", 0)])
async def test_one_source_is_exported_by_its_name(two_sources, exported, what, count):
    rows, err, _ = await exported(what, "--source", "mine")
    assert len(rows) == count
    assert err.startswith(f"{count} {what} of mine in stdout")


async def test_an_unknown_source_names_those_there_are(two_sources, exported):
    _, err, status = await exported("artists", "--source", "spotify")
    assert status == 78
    assert "--source 'spotify' is no source of this ledger; it has: Sandbox:mine, Sandbox:sandbox" in err


async def test_a_run_is_exported_by_its_number(ledger, exported):
    """The second run has found nothing yet; the first one's rows are its own."""
    (job,) = await jobs.all(ledger)
    await value(ledger, "UPDATE crawl_run SET finished_at = now() RETURNING 1")
    assert await runs.begin(ledger, job.id, 2)
    for what in ("artists", "searches"):
        rows, err, _ = await exported(what, "--job", "artists", "--run", "1")
        assert (len(rows), err.splitlines()[0].partition(" in ")[0]) == (2, f"2 {what} of default/artists, run 1,")
        rows, err, _ = await exported(what, "--job", "artists")
        assert (rows, err.partition(" in ")[0]) == ([], f"0 {what} of default/artists, run 2 (it goes on),")


async def test_without_a_job_the_searches_of_current_runs_are_exported(ledger, exported):
    """As of one job without a run; the views say which those are."""
    (job,) = await jobs.all(ledger)
    assert [row["run"] for row in (await exported("searches"))[0]] == [1, 1]
    await value(ledger, "UPDATE search SET total = results + 1 RETURNING 1")
    await value(ledger, "UPDATE crawl_run SET finished_at = now() RETURNING 1")
    assert await runs.begin(ledger, job.id, 2)
    assert (await exported("searches"))[0] == []
    for view in ("searches", "incomplete_searches"):
        told = f"SELECT DISTINCT row(run, source, source_type, current)::text FROM {view}"
        assert await value(ledger, told) == "(1,sandbox,Sandbox,f)", view


async def test_a_run_that_is_not_there_or_whose_data_is_deleted_is_refused(ledger, exported):
    (job,) = await jobs.all(ledger)
    await value(ledger, "UPDATE crawl_run SET finished_at = now() RETURNING 1")
    await runs.begin(ledger, job.id, 2)
    await runs.delete(ledger, job.id, 1)
    assert "default/artists has no run 7; it has: 2, 1" in (await exported("artists", "--run", "7"))[1]
    assert "the data of run 1 of default/artists was deleted on" in (await exported("searches", "--run", "1"))[1]
    assert "leave --run out" in (await exported("requests", "--run", "2"))[1]
