"""What a crawl must find, computed from the catalogue file alone: nothing here is shared with the code under test.

An artist matches a string when some word of its name, without case, diacritics and apostrophes, starts with it.
Answers list the most popular first, then by id, and end at 1,000.
"""

from __future__ import annotations

import csv
import random
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import product
from math import ceil
from pathlib import Path

CAP = 1_000


def catalogue_words(name: str) -> set[str]:
    """The words a search finds a name by."""
    letters = (c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    return set("".join(c if c.isalnum() else " " for c in letters if c not in "'’‘ʼ").split())


class Oracle:
    """The right answers. `ids` is in the order in which answers list artists."""

    def __init__(self, artists: Iterable[tuple[str, str, int]]) -> None:
        ordered = sorted(artists, key=lambda artist: (-artist[2], artist[0]))
        self.ids = [artist[0] for artist in ordered]
        self.names = {artist[0]: artist[1] for artist in ordered}
        self._words = sorted((word, rank) for rank, artist in enumerate(ordered) for word in catalogue_words(artist[1]))

    @classmethod
    def of(cls, path: Path) -> Oracle:
        """The answers of a catalogue file."""
        if path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                return cls((row["id"], row["name"], int(row["popularity"])) for row in csv.DictReader(file))
        import pyarrow.parquet

        columns = pyarrow.parquet.read_table(path, columns=["id", "name", "popularity"]).to_pydict()
        return cls(zip(columns["id"], columns["name"], (int(p or 0) for p in columns["popularity"]), strict=True))

    def matching(self, string: str) -> list[str]:
        """Ids of all artists that match, in order."""
        ranks = set()
        for word, rank in self._words[bisect_left(self._words, (string, -1)) :]:
            if not word.startswith(string):
                break
            ranks.add(rank)
        return [self.ids[rank] for rank in sorted(ranks)]

    def exhaustive(self, strings: Iterable[str]) -> set[str]:
        """Ids that searching each string to the cap returns."""
        return {artist for string in strings for artist in self.matching(string)[:CAP]}

    def pages(self, strings: Iterable[str], *, page_size: int = 50) -> int:
        """The least number of requests that searching each string to the cap takes."""
        return sum(max(1, ceil(min(CAP, len(self.matching(string))) / page_size)) for string in strings)

    def adaptive(self, alphabet: str, *, longest: int, page_size: int) -> dict[str, list[str]]:
        """{string searched: ids returned} of a descent from one character into what is truncated."""
        searches = {}
        level = list(alphabet)
        for length in range(1, longest + 1):
            deeper = []
            for string in level:
                ids = self.matching(string)
                refined = len(ids) >= CAP and length < longest
                searches[string] = ids[: page_size if refined else CAP]
                deeper += [string + c for c in alphabet] if refined else []
            level = deeper
        return searches


def strings_of(alphabet: str, length: int) -> Iterator[str]:
    """All strings of a length, in order."""
    return map("".join, product(alphabet, repeat=length))


_ACCENTS = str.maketrans("aeioun", "áèïöûñ")


def write_catalogue(
    path: Path, size: int, *, alphabet: str = "abcdefghijklmnopqrstuvwxyz0123", dense: dict[str, int] | None = None
) -> Path:
    """A CSV of made-up artists with accents, apostrophes, capitals, other scripts and shared names.

    `dense` adds so many artists of one word that starts so.
    """
    rng = random.Random(1)
    earlier = "Übung"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "name", "popularity"])
        for _ in range(size):
            words = ["".join(rng.choices(alphabet, k=rng.randint(1, 7))) for _ in range(rng.randint(1, 3))]
            words[0] = rng.choice([words[0], words[0].upper(), words[0].translate(_ACCENTS), f"O'{words[0]}"])
            name = rng.choice([" ".join(words), "-".join(words), earlier, f"{words[-1]} Лунный 夜の森"])
            earlier = name
            rows.writerow([f"{rng.getrandbits(96):024x}", name, rng.choice([0, 0, 0, rng.randint(1, 99)])])
        for prefix, count in (dense or {}).items():
            rows.writerows([f"{prefix}{n:05d}", f"{prefix}{chr(97 + n % 3)}z", n % 100] for n in range(count))
    return path


def small_catalogue(folder: Path) -> Path:
    """500 artists of which few strings of two characters find any, and 120 more that `ab` finds: more than a page."""
    return write_catalogue(folder / "artists.csv", 500, dense={"ab": 120})
