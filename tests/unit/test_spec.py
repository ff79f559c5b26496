"""The CrawlJob's type: defaults, reading, identity, and what its schema promises to the CRD."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from crawl_core.errors import SpecError
from crawl_core.spec import (
    Change,
    CrawlJob,
    KeyspaceSpec,
    Spec,
    canonical,
    change_of,
    crawljob_of,
    differences,
    identity,
    parse_crawljob,
    read_crawljob,
    remedy,
)
from crawl_core.values.jobs import as_recorded

HEADER = "apiVersion: artistcrawl.dev/v1alpha1\nkind: CrawlJob\nmetadata: {name: test}\n"
SPOTIFY = "{type: Spotify, termsAccepted: true, credentialsSecretRef: {name: s}, %s}"


def spec_of(text: str) -> Spec:
    return parse_crawljob(f"{HEADER}spec: {text}", origin="test").spec


def leaves(spec: Spec) -> set[str]:
    def walk(model: Any, prefix: str) -> Iterator[str]:
        for field in type(model).model_fields.values():
            yield f"{prefix}{field.alias}"

    sections = {field.alias: getattr(spec, name) for name, field in Spec.model_fields.items()}
    return {
        path
        for name, section in sections.items()
        for path in (walk(section, f"{name}.") if hasattr(section, "model_fields_set") else [str(name)])
    }


# --- defaults and reading


def test_an_empty_spec_is_the_exhaustive_crawl_of_the_sandbox() -> None:
    spec = spec_of("{}")
    assert spec == Spec()
    assert (spec.keyspace.to_keyspace().total, spec.source.type) == (36**4, "Sandbox")
    assert (spec.rate_limit.requests, spec.rate_limit.window.seconds) == (10, 30)


def test_a_file_without_a_spec_has_the_default_one() -> None:
    assert parse_crawljob(HEADER, origin="test").spec == Spec()


def test_a_spec_survives_the_way_to_yaml_and_back() -> None:
    spec = spec_of(
        "{source: {requestTimeout: 1m30s, baseURL: 'http://127.0.0.1:1/'}, workers: {tolerations: [{key: a}]}}"
    )
    text = yaml.safe_dump(spec.model_dump(mode="json", exclude_none=True))
    assert spec_of(json.dumps(yaml.safe_load(text))) == spec
    assert "1m30s" in text


def test_an_object_of_the_kubernetes_api_is_read_with_its_metadata_and_status() -> None:
    metadata = {
        "name": "a",
        "namespace": "n",
        "uid": "u",
        "generation": 3,
        "managedFields": [{}],
        "creationTimestamp": None,
    }
    data = {"apiVersion": "artistcrawl.dev/v1alpha1", "kind": "CrawlJob", "metadata": metadata, "status": {"x": 1}}
    job = crawljob_of(data, origin="n/a")
    assert (job.metadata.name, job.metadata.namespace, job.metadata.uid) == ("a", "n", "u")


def test_json_is_read_like_yaml() -> None:
    data = {**yaml.safe_load(HEADER), "spec": {"suspend": True}}
    assert parse_crawljob(json.dumps(data, indent="\t"), origin="test").spec.suspend


def test_the_secret_in_the_same_file_is_passed_over() -> None:
    job = parse_crawljob(f"apiVersion: v1\nkind: Secret\n---\n{HEADER}---\n# the end\n", origin="test")
    assert job.metadata.name == "test"


def test_a_file_that_is_not_there_is_a_problem_not_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="No such file or directory; write the path"):
        read_crawljob(tmp_path / "missing.yaml")


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(HEADER, encoding="utf-8-sig")
    assert read_crawljob(tmp_path / "job.yaml").spec == Spec()


def test_a_control_character_is_a_problem_of_one_line() -> None:
    with pytest.raises(SpecError) as refused:
        parse_crawljob("kind: \0", origin="test")
    assert len(str(refused.value).splitlines()) == 2


def test_a_file_that_is_no_text_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="UTF-8"):
        read_crawljob(tmp_path / "binary.yaml")


def test_a_spec_made_in_code_is_checked_across_fields_too() -> None:
    with pytest.raises(ValidationError, match="minLength"):
        Spec(keyspace=KeyspaceSpec(min_length=5, max_length=4))


def test_a_spec_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Spec().suspend = True  # type: ignore[misc]


def test_a_base_url_loses_its_trailing_slash() -> None:
    assert spec_of("{source: {baseURL: 'http://[::1]:8080/api/'}}").source.base_url == "http://[::1]:8080/api"


def test_spotify_may_be_imitated_on_loopback_without_encryption() -> None:
    spec = spec_of(
        "{source: {type: Spotify, termsAccepted: true, credentialsSecretRef: {name: s}, "
        "baseURL: 'http://127.0.0.1:80', tokenURL: 'http://127.0.0.1:80/api/token'}}"
    )
    assert spec.source.base_url == "http://127.0.0.1:80"


short = st.text(alphabet="ab01s. ", max_size=4)
nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | short,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(short | st.booleans(), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*sorted(field.alias or "" for field in Spec.model_fields.values())]), nested))
def test_whatever_stands_in_a_spec_is_read_or_refused_with_problems(data: dict[str, Any]) -> None:
    with suppress(SpecError):  # Anything else would be a traceback.
        crawljob_of({**yaml.safe_load(HEADER), "spec": data}, origin="test")


@given(st.text(alphabet="abc:-{}[]&*!|>'\"#\n\t 0123\\", max_size=40))
def test_whatever_stands_in_a_file_is_refused_with_problems(text: str) -> None:
    with pytest.raises(SpecError):
        parse_crawljob(text, origin="test")


# --- identity and changes


def test_the_same_crawl_written_and_tuned_differently_has_the_same_identity() -> None:
    spelled = spec_of(
        "{keyspace: {first: '0000', last: zzzz, rangeSize: 100}, source: {dataset: sandbox, requestTimeout: 20s, "
        "pageSize: 10, baseURL: 'http://elsewhere', tokenURL: 'http://elsewhere/t', termsAccepted: true, "
        "credentialsSecretRef: {name: other}, proxy: FromEnvironment}, rateLimit: {requests: 99}}"
    )
    assert identity(spelled) == identity(Spec())


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{keyspace: {maxLength: 5}}", "keyspace.maxLength"),
        ("{keyspace: {first: '0001'}}", "keyspace.first"),
        ("{source: {dataset: copy}}", "source.dataset"),
        ("{source: {queryTemplate: 'artist:{}'}}", "source.queryTemplate"),
        ("{source: {market: SE}}", "source.spotify.market"),
        (f"{{source: {SPOTIFY % 'market: SE'}}}", "source.type"),
    ],
)
def test_another_crawl_has_another_identity_and_the_difference_has_a_name(text: str, path: str) -> None:
    other = spec_of(text)
    assert identity(other) != identity(Spec())
    assert path in differences(identity(Spec()), other)


@pytest.mark.parametrize(
    ("source", "dataset"),
    [
        ("{baseURL: 'http://127.0.0.1:8080'}", "sandbox"),
        ("{dataset: copy}", "copy"),
        (SPOTIFY % "", "spotify"),
        (SPOTIFY % "baseURL: 'https://API.spotify.com:443/', tokenURL: 'https://t'", "spotify"),
        (
            SPOTIFY % "baseURL: 'https://api.spotify.com.example.com', tokenURL: 'https://t'",
            "api.spotify.com.example.com",
        ),
        (SPOTIFY % "baseURL: 'https://Proxy.example.com:443/spotify', tokenURL: 'https://t'", "proxy.example.com"),
        (SPOTIFY % "baseURL: 'http://[::1]:8080', tokenURL: 'https://t'", "[::1]:8080"),
        (SPOTIFY % "baseURL: 'https://elsewhere.example.com', tokenURL: 'https://t', dataset: spotify", "spotify"),
    ],
)
def test_a_dataset_has_the_name_that_is_written_or_that_of_the_type_or_the_address(source: str, dataset: str) -> None:
    found = spec_of(f"{{source: {source}}}").source.dataset_in_force
    assert found == dataset
    assert spec_of(f"{{source: {{dataset: '{found}'}}}}").source.dataset == found  # so that the remedy can be written


@pytest.mark.parametrize("member", ["market: SE, termsAccepted: true", "spotify: {market: SE, termsAccepted: true}"])
def test_what_is_spotifys_is_read_from_its_member_and_from_where_it_was_before(member: str) -> None:
    source = spec_of(f"{{source: {{type: Spotify, credentialsSecretRef: {{name: s}}, {member}}}}}").source
    assert (source.market_in_force, source.terms_are_accepted) == ("SE", True)


def test_a_member_may_say_a_part_while_the_rest_stands_where_it_was() -> None:
    text = f"{{source: {SPOTIFY % 'spotify: {market: SE}'}}}"
    assert identity(spec_of(text)) == identity(spec_of(f"{{source: {SPOTIFY % 'market: SE'}}}"))


OF_BEFORE: dict[str, Any] = {
    "keyspace": {"alphabet": "0123456789abcdefghijklmnopqrstuvwxyz", "minLength": 4, "maxLength": 4, "first": "th00",
                 "last": "thzz", "rangeSize": 36},
    "source": {"type": "Spotify", "baseURL": "http://127.0.0.1:9", "tokenURL": "http://127.0.0.1:9/t", "market": "SE",
               "queryTemplate": "{}", "pageSize": 50, "requestTimeout": "10s", "termsAccepted": True},
}  # fmt: skip
"""An identity as ledgers have it that were made before there were datasets."""


def test_an_identity_of_before_becomes_that_of_the_same_spec() -> None:
    spec = spec_of(json.dumps({**OF_BEFORE, "source": {**OF_BEFORE["source"], "credentialsSecretRef": {"name": "s"}}}))
    assert canonical(OF_BEFORE) == identity(spec)
    assert canonical(identity(spec)) == identity(spec)
    assert differences(OF_BEFORE, spec) == {}


def test_another_address_is_the_same_crawl_where_the_recorded_dataset_is_stated() -> None:
    moved = SPOTIFY % "market: SE, baseURL: 'https://elsewhere', tokenURL: 'https://elsewhere/token'"
    keyspace = "keyspace: {first: th00, last: thzz}"
    changed = differences(OF_BEFORE, spec_of(f"{{{keyspace}, source: {moved}}}"))
    assert changed == {"source.dataset": ("127.0.0.1:9", "elsewhere")}
    assert 'write source.dataset: "127.0.0.1:9"' in remedy(changed)
    stated = moved.replace("{type", "{dataset: '127.0.0.1:9', type")
    assert differences(OF_BEFORE, spec_of(f"{{{keyspace}, source: {stated}}}")) == {}


def test_a_field_added_by_a_later_version_is_no_difference_while_it_has_its_default() -> None:
    stored = identity(Spec())
    del stored["source"]["queryTemplate"]
    assert differences(stored, Spec()) == {}
    changed = differences(stored, spec_of("{source: {queryTemplate: 'a {}'}}"))
    assert changed == {"source.queryTemplate": ("{}", "a {}")}


def test_a_field_that_workers_of_the_release_before_refuse_is_recorded_only_where_somebody_writes_it() -> None:
    assert "proxy" not in as_recorded(Spec())["source"]
    assert as_recorded(spec_of("{source: {proxy: FromEnvironment}}"))["source"]["proxy"] == "FromEnvironment"


def test_an_identity_survives_json() -> None:
    assert differences(json.loads(json.dumps(identity(Spec()))), Spec()) == {}


def test_every_field_says_what_changing_it_takes() -> None:
    assert {change_of(path) for path in leaves(Spec())} == set(Change)


def test_only_what_decides_which_answers_belong_together_is_immutable() -> None:
    assert {path for path in leaves(Spec()) if change_of(path) is Change.IMMUTABLE} == {
        *(f"keyspace.{name}" for name in ("alphabet", "minLength", "maxLength", "first", "last")),
        *(f"source.{name}" for name in ("type", "dataset", "queryTemplate", "market", "spotify")),
    }


# --- the schema that the CRD is generated from


def nodes(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield path, node
        for name, value in node.items():
            yield from nodes(value, f"{path}/{name}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from nodes(value, f"{path}/{number}")


SPEC_NODES = list(nodes(Spec.model_json_schema()))


def test_every_string_has_a_longest_length_and_every_number_bounds() -> None:
    for path, node in SPEC_NODES:
        if node.get("type") == "string" and "enum" not in node and "anyOf" not in path:
            assert "maxLength" in node, path
        if node.get("type") == "integer" and "anyOf" not in path:
            assert {"minimum", "maximum"} <= node.keys(), path


def test_nothing_is_nullable() -> None:
    assert not [path for path, node in SPEC_NODES if node.get("type") == "null" or ("default", None) in node.items()]


def test_every_field_is_described() -> None:
    properties = [node["properties"] for _, node in SPEC_NODES if "properties" in node and "title" in node]
    assert not [
        name for fields in properties for name, field in fields.items() if not {"description", "$ref"} & field.keys()
    ]


def test_the_defaults_of_the_schema_are_those_of_the_type() -> None:
    schema = CrawlJob.model_json_schema()
    defaults = {name: section.get("default") for name, section in schema["$defs"]["Spec"]["properties"].items()}
    spec = {**HEADER_DATA, "spec": {name: value for name, value in defaults.items() if value is not None}}
    assert crawljob_of(_without_nulls(spec), origin="schema").spec == Spec()


HEADER_DATA: dict[str, Any] = yaml.safe_load(HEADER)


def _without_nulls(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _without_nulls(value) for name, value in data.items() if value is not None}
    return data
