"""The CRD is what the types say, is small, and leaves no field without a word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from crawl_core.spec import Spec
from crawl_core.spec.changes import Change, change_of
from crawl_core.spec.sections import DEPRECATED
from crawl_operator.crd import crd, text
from crawl_operator.crd.__main__ import main

ROOT = Path(__file__).parents[2]
NAME = "crawljobs.artistcrawl.dev.yaml"
CANONICAL = ROOT / "k8s" / "crds" / NAME
VERSION = crd()["spec"]["versions"][0]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]["properties"]
LIMIT_BYTES = 44 * 1024
"""Grows with a field, and not by an accident; kubectl apply takes 256 KiB."""


def nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema below one, itself included."""
    yield path, schema
    for name, each in schema.get("properties", {}).items():
        yield from nodes(each, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


ALL = [*nodes(SCHEMA["spec"], "spec"), *nodes(SCHEMA["status"], "status")]
RULES = [(path, each) for path, node in ALL for each in node.get("x-kubernetes-validations", [])]


@pytest.mark.parametrize("file", [CANONICAL, ROOT / "charts" / "artistcrawl" / "files" / NAME], ids=["k8s", "chart"])
def test_the_committed_crd_is_what_the_types_say(file: Path) -> None:
    assert file.read_text() == text(), "run make sync"


def test_the_crd_is_small() -> None:
    assert CANONICAL.stat().st_size < LIMIT_BYTES


def test_every_field_is_described() -> None:
    assert [path for path, node in ALL if not path.endswith("{}") and not node.get("description")] == []


def test_every_text_has_a_longest_length() -> None:
    unbounded = [
        path for path, node in ALL if node.get("type") == "string" and "enum" not in node and "maxLength" not in node
    ]
    assert unbounded == []


def test_every_list_and_map_is_bounded() -> None:
    lists = [path for path, node in ALL if node.get("type") == "array" and "maxItems" not in node]
    maps = [path for path, node in ALL if "additionalProperties" in node and "maxProperties" not in node]
    assert lists + maps == []


def test_no_default_is_null() -> None:
    assert not re.search(r"\bnull\b", yaml.safe_dump(crd()).replace("null is refused", ""))


def test_every_rule_has_a_message_of_what_to_write() -> None:
    silent = [each["rule"] for _, each in RULES if "write" not in each["message"] + each.get("messageExpression", "")]
    assert silent == []


def test_each_field_that_may_not_change_has_a_rule() -> None:
    guarded = {f"{path}{each['fieldPath']}" for path, each in RULES if "oldSelf" in each["rule"]}
    sections = [each for name in ("keyspace", "source") for each in nodes(SCHEMA["spec"]["properties"][name], name)]
    leaves = [path for path, node in sections if "properties" not in node]
    immutable = {path for path in leaves if change_of(path) is Change.IMMUTABLE}
    assert guarded == {f"spec.{path}" for path in immutable - DEPRECATED.keys()}


def test_what_may_change_has_no_rule_about_its_past() -> None:
    assert {path.split(".")[1] for path, each in RULES if "oldSelf" in each["rule"]} == {"keyspace", "source"}


def test_the_defaults_of_sections_are_those_of_the_types() -> None:
    for name, default in Spec().model_dump(mode="json", by_alias=True, exclude_none=True).items():
        written = SCHEMA["spec"]["properties"][name]["default"]
        assert written == (
            {
                key: each
                for key, each in default.items()
                if each not in ({}, []) and each != {"limits": {}, "requests": {}}
            }
            if isinstance(default, dict)
            else default
        )


def test_columns_show_what_people_ask_first() -> None:
    columns = VERSION["additionalPrinterColumns"]
    assert [column["name"] for column in columns if "priority" not in column] == [
        "State", "Progress", "Artists", "Rate", "Workers", "ETA", "Age",
    ]  # fmt: skip


def test_columns_show_fields_that_there_are() -> None:
    known = {path for path, _ in ALL} | {"metadata.creationTimestamp"}
    paths = {column["jsonPath"].split("[?")[0].removeprefix(".") for column in VERSION["additionalPrinterColumns"]}
    assert paths <= known


def test_the_scale_subresource_names_fields_that_there_are() -> None:
    assert {path.removeprefix(".") for path in VERSION["subresources"]["scale"].values()} <= {path for path, _ in ALL}


def test_check_fails_where_a_file_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "crd.yaml"
    assert main([str(file)]) == 0
    assert main(["--check", str(file)]) == 0
    file.write_text(file.read_text().replace("maximum: 8", "maximum: 9"))
    assert main(["--check", str(file)]) == 1
    assert "run make sync" in capsys.readouterr().err
