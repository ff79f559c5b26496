"""Catalogues come from files or a seed, and are the same artists either way."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from crawl_sandbox import catalogue, synthetic
from crawl_sandbox.catalogue import Row
from crawl_sandbox.errors import CatalogueError
from crawl_sandbox.matching import words

ROWS: list[dict[str, Any]] = [
    {"id": "b", "name": "Beyoncé, live", "popularity": 7, "genres": ["pop", "r&b"]},
    {"id": "a", "name": 'The "A"', "popularity": 7, "genres": []},
    {"id": "c", "name": "Сплин", "popularity": 90, "genres": []},
]


def parquet(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def csv_file(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row | {"genres": ";".join(row["genres"])} for row in rows)
    return path


def test_answers_are_in_the_order_of_popularity_and_then_id() -> None:
    artists = catalogue.arrange(Row(row["id"], row["name"], row["popularity"]) for row in ROWS)
    assert list(artists.ids) == ["c", "a", "b"]


def test_parquet_and_csv_give_the_same_catalogue(tmp_path: Path) -> None:
    from_parquet = catalogue.load(parquet(tmp_path / "artists.parquet"))
    assert from_parquet == catalogue.load(csv_file(tmp_path / "artists.csv"))
    assert from_parquet.genres[2] == ("pop", "r&b")


@pytest.mark.parametrize("ends", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_csv_file_may_begin_with_a_byte_order_mark_and_have_any_ends_of_lines(
    tmp_path: Path, encoding: str, ends: str
) -> None:
    (tmp_path / "a.csv").write_text(ends.join(["id,name", 'x,"Сплин"', ""]), encoding=encoding, newline="")
    assert list(catalogue.load(tmp_path / "a.csv").names) == ["Сплин"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_another_unicode_is_refused_with_what_to_do(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_text("id,name\nx,X\n", encoding=encoding)
    with pytest.raises(CatalogueError, match="save it as UTF-8"):
        catalogue.load(tmp_path / "a.csv")


def test_absent_values_are_normal(tmp_path: Path) -> None:
    file = parquet(tmp_path / "a.parquet", [{"id": "x", "name": "X", "popularity": None}])
    assert list(catalogue.load(file).popularity) == [0]


def test_an_artist_is_found_by_id() -> None:
    artists = catalogue.arrange(synthetic.generate(100, seed=1))
    assert [artists.rank_of(artist_id) for artist_id in artists.ids] == list(range(100))
    assert artists.rank_of("nobody") is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "x"}, "no column name; needed are id and name"),
        ({"id": "", "name": "X"}, "artist 1: id and name must not be empty"),
        ({"id": "x", "name": "X", "popularity": 101}, "not within 0..100"),
        ({"id": "x", "name": "X", "popularity": "much"}, "invalid literal"),
    ],
)
def test_a_row_that_is_wrong_is_refused_with_its_number(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(CatalogueError, match=message):
        catalogue.load(parquet(tmp_path / "a.parquet", [row]))


def test_an_id_that_occurs_twice_is_refused() -> None:
    with pytest.raises(CatalogueError, match="id 'x' twice"):
        catalogue.arrange([Row("x", "X"), Row("y", "Y"), Row("x", "Z")])


@pytest.mark.parametrize(
    ("name", "message"),
    [("none.parquet", "no such file"), ("list.txt", "ends in .parquet or .csv"), ("broken.parquet", "not a readable")],
)
def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR?")
    with pytest.raises(CatalogueError, match=message):
        catalogue.load(tmp_path / name)


def test_a_seed_gives_the_same_artists_each_time() -> None:
    assert list(synthetic.generate(300, seed=4)) == list(synthetic.generate(300, seed=4))
    assert list(synthetic.generate(300, seed=4)) != list(synthetic.generate(300, seed=5))


def test_made_up_names_are_as_odd_as_real_ones() -> None:
    rows = list(synthetic.generate(20_000, seed=0))
    names = Counter(row.name for row in rows)
    assert sum(row.popularity == 0 for row in rows) / len(rows) == pytest.approx(0.848, abs=0.01)
    assert sum(not name.isascii() for name in names.elements()) / len(rows) == pytest.approx(0.03, abs=0.03)
    assert max(names.values()) > 1
    assert any("'" in name for name in names)
    assert {len(row.id) for row in rows} == {22}
    assert len({row.id for row in rows}) == len(rows)


def test_some_strings_of_a_large_made_up_catalogue_match_more_than_can_be_reached() -> None:
    counts = Counter(
        prefix for row in synthetic.generate(30_000, seed=0) for prefix in {word[:3] for word in words(row.name)}
    )
    assert counts.most_common(1)[0][1] > 1000
