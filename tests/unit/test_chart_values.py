"""The chart against what reads it: the operator's settings, and its own schema. Rendering is tested in charts/."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from crawl_operator.decide import manifests
from crawl_operator.settings import read_settings
from crawl_operator.values import names

CHART = Path(__file__).resolve().parents[2] / "charts" / "artistcrawl"
TEMPLATES = CHART / "templates"


def variables() -> set[str]:
    """What the chart sets in the operator's environment, but for the pod's name."""
    text = (TEMPLATES / "operator" / "_env.tpl").read_text(encoding="utf-8")
    return set(re.findall(r"^- name: (\w+)$", text, re.MULTILINE)) - {"POD_NAME"}


def known(capsys: pytest.CaptureFixture[str]) -> set[str]:
    """What the operator reads, as its help says."""
    with pytest.raises(SystemExit):
        read_settings(["--help"], {})
    return set(re.findall(r"\(\$(\w+)\)", re.sub(r"\s", "", capsys.readouterr().out)))


def test_the_chart_sets_what_the_operator_reads_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert variables() == known(capsys)


def test_the_chart_grants_the_lease_that_it_tells_the_operator_to_take() -> None:
    name = '{{ include "artistcrawl.leaseName" . }}'
    assert f"resourceNames: [{name}]" in (TEMPLATES / "operator" / "_rules.tpl").read_text(encoding="utf-8")
    assert f"value: {name}" in (TEMPLATES / "operator" / "_env.tpl").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", ["test_crawl.py", "release_finalizers.py"])
def test_a_script_of_the_chart_speaks_of_our_group_and_version(script: str) -> None:
    text = (CHART / "files" / "scripts" / script).read_text(encoding="utf-8")
    assert f'GROUP, VERSION, PLURAL = "{names.GROUP}", "{names.VERSION}", "{names.PLURAL}"' in text


def test_the_finalizer_that_an_uninstall_takes_off_is_ours() -> None:
    text = (CHART / "files" / "scripts" / "release_finalizers.py").read_text(encoding="utf-8")
    assert 'FINALIZER = f"{GROUP}/data"' in text
    assert f"{names.GROUP}/data" == names.FINALIZER


def test_the_monitor_of_the_workers_selects_what_the_operator_makes() -> None:
    text = (TEMPLATES / "monitoring" / "monitors.yaml").read_text(encoding="utf-8")
    selector = "\\n".join(f"{name}: {value}" for name, value in names.COMMON_LABELS.items())
    assert f'"selector" "{selector}"' in text


def test_the_values_name_the_port_that_workers_serve_metrics_on() -> None:
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    assert f"workers serve theirs on {manifests.METRICS_PORT}." in text


def unlike(values: dict[str, Any], schema: dict[str, Any], definitions: dict[str, Any], at: str = "") -> list[str]:
    """Values without a schema, and properties that no value shows."""
    schema = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    properties = schema.get("properties")
    if properties is None or schema is definitions["resources"]:
        return []
    different = [f"{at}/{key}" for key in sorted(values.keys() ^ properties.keys())]
    nested = [key for key in values.keys() & properties.keys() if isinstance(values[key], dict)]
    return different + [
        each for key in nested for each in unlike(values[key], properties[key], definitions, f"{at}/{key}")
    ]


def test_every_value_has_a_schema_and_every_schema_a_value() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    assert unlike(values, schema, schema["definitions"]) == []
