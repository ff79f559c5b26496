"""docs/crawljob.md says of each field what the types and the CRD say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from crawl_core.spec import sections
from crawl_core.spec.changes import Change
from crawl_operator.crd import crd
from crawl_operator.crd.__main__ import main
from crawl_operator.crd.reference import ANNOTATIONS, CHANGES, page
from crawl_operator.values import names

COMMITTED = Path(__file__).parents[2] / "docs" / "crawljob.md"
SCHEMA = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
TYPES = get_args(sections.Source.model_fields["type"].annotation)
# Each of these has a table of its own.
SECTIONS = {"keyspace", "source", "rateLimit", "workers", "retry"}


def paths(schema: dict[str, Any], path: str) -> Iterator[str]:
    """Each field below an object, as the page writes it."""
    for name, field in schema.get("properties", {}).items():
        place = f"{path}.{name}".lstrip(".")
        yield place
        yield from paths(field, place)
        yield from paths(field.get("items", {}), f"{place}[]")


def row_of(field: str) -> list[str]:
    """The cells behind a field of the spec: type, default, bounds, a change, what it is."""
    spec = page().split("\n## status\n")[0]
    (row,) = re.findall(rf"^\| `{re.escape(field)}` \| (.+) \|$", spec.split("\n## Between fields\n")[0], re.MULTILINE)
    return [cell.strip() for cell in row.split(" | ")]


def test_the_committed_page_is_what_the_types_say() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == page(), "run make sync"


@pytest.mark.parametrize(("part", "title"), [("spec", "## spec\n"), ("status", "## status\n")])
def test_each_field_of_the_crd_has_its_row(part: str, title: str) -> None:
    text = page().split(title)[1].split("## Between fields" if part == "spec" else "## Conditions")[0]
    named = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    assert sorted(named) == sorted(set(paths(SCHEMA[part], "")) - (SECTIONS if part == "spec" else set()))


@pytest.mark.parametrize(
    ("field", "cells"),
    [
        ("workers.max", ["integer", "`8`", "1 to 500", "live"]),
        ("rateLimit.window", ["duration", "`30s`", "1s to 24h", "live"]),
        ("source.spotify.termsAccepted", ["boolean", "", "", "operator"]),
        ("deadlinePolicy", ["`Alert` or `Suspend`", "`Alert`", "", "operator"]),
        ("source.type", [" or ".join(f"`{name}`" for name in TYPES), "`Sandbox`", "", "immutable"]),
        ("workers.resources.limits", ["map", "", "a map of resources to quantities, such as {cpu: 500m}", "restart"]),
        ("deadline", ["duration", "", "1m to 87600h", "operator"]),
    ],
)
def test_a_row_has_type_default_bounds_and_what_a_change_takes(field: str, cells: list[str]) -> None:
    assert row_of(field)[:4] == cells


def test_a_default_of_an_object_is_shown_with_its_field() -> None:
    assert row_of("backendsSecretRef.name")[1] == "`artistcrawl-backends`"
    assert row_of("source.credentialsSecretRef.name")[1] == "must be given"


def test_each_kind_of_change_and_annotation_is_explained() -> None:
    asked = {value for name, value in vars(names).items() if name.startswith("ANNOTATION_")}
    of_deployments = {names.ANNOTATION_TEMPLATE, names.ANNOTATION_BACKENDS}
    assert set(CHANGES) == set(Change)
    assert set(ANNOTATIONS) == asked - of_deployments


def test_check_fails_where_the_page_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "crawljob.md"
    assert main([str(file)]) == 0
    assert main(["--check", str(file)]) == 0
    file.write_text(file.read_text().replace("1 to 500", "1 to 501"))
    assert main(["--check", str(file)]) == 1
    assert "run make sync" in capsys.readouterr().err
