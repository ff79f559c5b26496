"""What the chart brings of grafana/ is what is there: Helm reads nothing outside of a chart."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = ROOT / "charts" / "artistcrawl" / "files"


@pytest.mark.parametrize(("folder", "pattern"), [("rules", "*.yaml"), ("dashboards", "*.json")])
def test_the_charts_copies_are_equal(folder: str, pattern: str) -> None:
    originals = {path.name: path.read_text() for path in (ROOT / "grafana" / folder).glob(pattern)}
    assert originals
    assert {path.name: path.read_text() for path in (FILES / folder).iterdir()} == originals, "run make sync"


def test_no_board_is_too_large_for_its_configmap_and_the_annotation_beside_it() -> None:
    assert [path.name for path in (FILES / "dashboards").iterdir() if path.stat().st_size > 256 * 1024] == []


def test_the_wheel_brings_nothing_of_grafana() -> None:
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    packages = built["targets"]["wheel"]["packages"]
    assert packages
    assert [package for package in packages if package.startswith("grafana")] == []


@pytest.mark.parametrize("file", ["operator/Dockerfile", "worker/Dockerfile", ".dockerignore"])
def test_images_bring_nothing_of_grafana(file: str) -> None:
    lines = [line for line in (ROOT / file).read_text().splitlines() if line.startswith(("COPY", "!"))]
    assert lines
    assert [line for line in lines if "grafana" in line or line.split()[1:2] == ["."]] == []
