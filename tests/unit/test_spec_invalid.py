"""Invalid CrawlJobs: each is refused with the field, and with what to write instead. The table stands in YAML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from crawl_core.errors import SpecError
from crawl_core.spec import parse_crawljob

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "invalid_crawljobs.yaml").read_text())
ONE_LINERS = [case for case in CASES if "spec" in case and "\n" not in case["spec"]]
HEADER = "apiVersion: artistcrawl.dev/v1alpha1\nkind: CrawlJob\nmetadata: {name: test}\nspec:\n"


def text_of(case: dict[str, Any]) -> str:
    if "file" in case:
        return str(case["file"])
    return HEADER + "".join(f"  {line}\n" for line in case["spec"].splitlines())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_an_invalid_crawljob_is_refused_with_the_remedy(case: dict[str, Any]) -> None:
    with pytest.raises(SpecError) as refused:
        parse_crawljob(text_of(case), origin="crawljob.yaml")
    assert [problem.path for problem in refused.value.problems] == [case["path"]]
    assert case["says"] in refused.value.problems[0].message


def test_the_table_has_at_least_80_cases_of_different_names() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES) >= 80


def section_of(case: dict[str, Any]) -> str:
    return str(case["spec"]).partition(":")[0]


@given(st.lists(st.sampled_from(ONE_LINERS), min_size=2, max_size=6, unique_by=section_of))
def test_all_problems_of_a_file_are_reported_at_once(cases: list[dict[str, Any]]) -> None:
    text = HEADER + "".join(f"  {case['spec']}\n" for case in cases)
    with pytest.raises(SpecError) as refused:
        parse_crawljob(text, origin="crawljob.yaml")
    assert sorted(problem.path for problem in refused.value.problems) == sorted(case["path"] for case in cases)


def test_a_problem_between_fields_is_reported_beside_an_invalid_field() -> None:
    text = HEADER + "  keyspace: {minLength: 5, maxLength: 4, rangeSize: 0}\n  workers: {min: 9, concurrency: 0}\n"
    with pytest.raises(SpecError) as refused:
        parse_crawljob(text, origin="crawljob.yaml")
    assert {problem.path for problem in refused.value.problems} == {
        "spec.keyspace.maxLength",
        "spec.keyspace.rangeSize",
        "spec.workers.concurrency",
        "spec.workers.max",
    }


def test_no_problem_is_invented_from_the_default_of_an_invalid_field() -> None:
    text = HEADER + "  keyspace: {minLength: five, first: abcde}\n  workers: {min: 9, max: many}\n"
    with pytest.raises(SpecError) as refused:
        parse_crawljob(text, origin="crawljob.yaml")
    assert {problem.path for problem in refused.value.problems} == {"spec.keyspace.minLength", "spec.workers.max"}


def test_the_message_names_the_file_and_counts_the_problems() -> None:
    with pytest.raises(SpecError, match=r"^night\.yaml: 2 problems\n"):
        parse_crawljob(HEADER + "  suspend: 3\n  deadline: soon\n", origin="night.yaml")


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(SpecError) as refused:
        parse_crawljob(HEADER + "  source: {baseURL: 'https://me:hunter2@example.com'}\n", origin="night.yaml")
    assert "hunter2" not in str(refused.value)


def test_null_is_refused_in_json_too() -> None:
    text = json.dumps({**yaml.safe_load(HEADER), "spec": {"suspend": None}})
    with pytest.raises(SpecError, match="null is refused; leave the field out for its default false"):
        parse_crawljob(text, origin="night.json")
