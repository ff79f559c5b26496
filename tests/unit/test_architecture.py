"""docs/architecture.md speaks of what there is: tests, files, rooms, and the words of the README's picture."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGE = (DOCS / "architecture.md").read_text(encoding="utf-8")
CONTRACTS = runpy.run_path(str(DOCS / "contracts.py"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINKS = sorted(set(re.findall(r"\[([^\]]+)\]\(([^):]+)\)", PAGE)))

# Words of the README's picture that mean there what they mean everywhere, by their stem.
PLAIN = set(
    re.findall(
        r"\w+",
        """
    again and artistcrawl at by came commit from in instant is lua missing one only or postgresql redis request run send
    something take the time to truth under what whenever yaml
""",
    )
)


def stem(word: str) -> str:
    return re.sub(r"(?<=\w{3})(ing|ed|es|s|e)$", "", word.lower())


def section(title: str) -> str:
    """What stands under a heading of the page, up to the next one of its level."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_column(table: str) -> list[str]:
    rows = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)
    return [row.strip() for row in rows[1:]]


def anchor(heading: str) -> str:
    """The address that GitHub gives a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def packages() -> set[str]:
    """Every package of the project, by its dotted name."""
    return {
        ".".join(file.parent.relative_to(root).parts)
        for root in (ROOT / "operator", ROOT / "worker")
        for file in root.rglob("__init__.py")
    }


@pytest.mark.parametrize(("text", "target"), LINKS)
def test_a_link_leads_somewhere_and_a_test_it_names_is_there(text: str, target: str) -> None:
    path, _, place = target.partition("#")
    file = DOCS / path if path else DOCS / "architecture.md"
    assert file.exists()
    if text.startswith("test_"):
        assert re.search(rf"^(async )?def {text}\(", file.read_text(encoding="utf-8"), re.MULTILINE)
    if place:
        headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
        assert place in {anchor(heading) for heading in headings}


def test_every_test_it_names_is_a_link() -> None:
    named = set(re.findall(r"\btest_\w+", re.sub(r"\]\([^)]*\)", "", PAGE)))
    assert named == {text for text, _ in LINKS if text.startswith("test_")}


def test_it_names_every_room_and_no_other() -> None:
    rooms = first_column(section("Rooms"))
    assert sorted(rooms) == sorted(f"`{package}`" for package in packages() if "migrations" not in package)


def test_what_may_import_what_is_made_from_the_contracts() -> None:
    assert CONTRACTS["page"](PAGE, CONTRACTS["contracts"]()) == PAGE, "run make sync"


def test_the_glossary_has_every_word_of_the_readmes_picture() -> None:
    picture = next(block for block in README.split("```")[1::2] if "CrawlJob ──►" in block)
    words = {stem(word) for word in re.findall(r"[A-Za-z]{2,}", picture)}
    explained = {stem(word) for entry in first_column(section("Words")) for word in entry.split()}
    assert words - explained - {stem(word) for word in PLAIN} == set()
