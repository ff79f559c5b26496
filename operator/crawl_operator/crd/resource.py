"""The CustomResourceDefinition: the schema with its rules, and what kubectl, HPA and selectors read of a CrawlJob.

To change it, change the types, then run `make sync`.
"""

from __future__ import annotations

from typing import Any

import yaml

from crawl_core.spec import KIND, Spec
from crawl_core.spec.status import Status
from crawl_operator.crd.rules import object_rules, section_rules
from crawl_operator.crd.schema import Node, structural
from crawl_operator.values.names import GROUP, PLURAL, VERSION

HEADER = "# Generated from crawl_core.spec by `make sync`. Change the types, not this file.\n"

SHORT = 400
"""Characters of an object that stands in one line."""

_SUMMARY = '.status.conditions[?(@.type=="Succeeded")]'

# A column of type date would print how long ago something was, and `<invalid>` for what is still to come.
_COLUMNS = (
    ("State", "string", ".status.state"),
    ("Progress", "string", ".status.progress"),
    ("Artists", "integer", ".status.artists"),
    ("Rate", "integer", ".status.requestsPerMinute"),
    ("Workers", "integer", ".status.workers.ready"),
    ("ETA", "string", ".status.timeLeft"),
    ("Age", "date", ".metadata.creationTimestamp"),
)
_WIDE_COLUMNS = (
    ("Run", "integer", ".status.run"),
    ("Desired", "integer", ".status.workers.desired"),
    ("Searches", "integer", ".status.searches"),
    ("Truncated", "integer", ".status.truncated"),
    ("Dead letters", "integer", ".status.deadLetters"),
    ("Frozen until", "string", ".status.frozenUntil"),
    ("Reason", "string", f"{_SUMMARY}.reason"),
    ("Message", "string", f"{_SUMMARY}.message"),
)


def crd() -> Node:
    """The whole object."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["crawl"],
                "categories": ["artistcrawl"],
            },
            "scope": "Namespaced",
            "versions": [_version()],
        },
    }


def text() -> str:
    """The object as YAML."""
    return HEADER + yaml.dump(
        crd(), Dumper=_Plain, sort_keys=False, width=100_000, default_flow_style=None, allow_unicode=True
    )


class _Plain(yaml.SafeDumper):
    """Without anchors, which people do not expect in a manifest; what is short stands in one line."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        return super().represent_mapping(tag, mapping, flow_style=len(str(mapping)) <= SHORT or flow_style)


def _version() -> Node:
    columns = [
        {"name": name, "type": kind, "jsonPath": path} | ({"priority": priority} if priority else {})
        for priority, several in enumerate((_COLUMNS, _WIDE_COLUMNS))
        for name, kind, path in several
    ]
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": columns,
        "selectableFields": [{"jsonPath": ".spec.source.type"}, {"jsonPath": ".status.state"}],
        # The pods that exist, as of a Deployment: an HPA reckons from them, `kubectl scale --timeout` waits for them.
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.workers.replicas",
                "statusReplicasPath": ".status.workers.current",
                "labelSelectorPath": ".status.selector",
            },
        },
        "schema": {"openAPIV3Schema": _schema()},
    }


def _schema() -> Node:
    spec = _with_rules("", structural(Spec))
    spec["default"] = {}
    status = structural(Status)
    conditions = status["properties"]["conditions"]
    conditions |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    return {
        "type": "object",
        "description": "A crawl: every string of a keyspace, searched once, at a limited rate.",
        "properties": {
            "apiVersion": {"type": "string", "description": "The version of this object's form."},
            "kind": {"type": "string", "description": "CrawlJob."},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
        "x-kubernetes-validations": object_rules(),
    }


def _with_rules(path: str, schema: Node) -> Node:
    """The schema, with the rules that relate its fields."""
    found = dict(schema)
    if rules := [*found.pop("x-kubernetes-validations", []), *section_rules(path, schema)]:
        found["x-kubernetes-validations"] = rules
    if "properties" in found:
        found["properties"] = {
            name: _with_rules(f"{path}.{name}".lstrip("."), each) for name, each in found["properties"].items()
        }
    if "items" in found:
        found["items"] = _with_rules(f"{path}[]", found["items"])
    return found
