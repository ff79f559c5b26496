"""What the images install is what the tests ran with."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXTRAS = {"operator": ("operator",), "worker": ("worker", "sandbox")}


def pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", path.read_text(), re.MULTILINE))


@pytest.mark.parametrize("part", EXTRAS)
def test_an_image_has_the_versions_that_were_tested(part: str) -> None:
    tested = pins(ROOT / "constraints.txt")
    installed = pins(ROOT / part / "requirements.txt")
    assert installed == {name: tested.get(name) for name in installed}, "run: make constraints"


@pytest.mark.parametrize("part", EXTRAS)
def test_an_image_has_all_that_its_extras_name(part: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    named = project["dependencies"] + [line for extra in EXTRAS[part] for line in extras[extra]]
    names = {re.split(r"[\[<>=; ]", line)[0] for line in named}
    assert names <= set(pins(ROOT / part / "requirements.txt")), "run: make constraints"
