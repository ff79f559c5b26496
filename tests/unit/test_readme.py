"""What the README names exists: files, make targets, commands, and the tests that prove its promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crawl_worker.cli import COMMANDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINKS = re.findall(r"\[([^\]]+)\]\(([^)#:]+)\)", README)


@pytest.mark.parametrize(("text", "target"), sorted(set(LINKS)))
def test_a_link_leads_somewhere_and_a_test_it_names_is_there(text: str, target: str) -> None:
    assert (ROOT / target).exists()
    if text.startswith("test_"):
        assert f"def {text}(" in (ROOT / target).read_text(encoding="utf-8")


def test_make_targets_it_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"\bmake ([a-z0-9-]+)", README)) - {"help"}
    assert [target for target in targets if f"\n{target}:" not in makefile] == []


def test_commands_it_names_exist() -> None:
    named = set(re.findall(r"(?:^|`|bin/)artistcrawl ([a-z][a-z-]+)(?![/\w-])", README, re.MULTILINE)) - {"data"}
    assert named
    assert named <= set(COMMANDS)


def test_every_command_is_named() -> None:
    assert [name for name in COMMANDS if not re.search(rf"`(artistcrawl )?{name}\b", README)] == []


def test_the_first_row_is_at_most_ten_commands_away() -> None:
    block = README.split("```sh")[1].split("```")[0]
    assert 0 < len(block.strip().splitlines()) <= 10
