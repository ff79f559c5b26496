"""docs/crawljob.md: every field of a CrawlJob, from the same types as the CRD. Pure.

A field's bounds stand here in the words that a user is told where a value is wrong, and not as a pattern.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crawl_core.spec import API_VERSION, Spec
from crawl_core.spec.changes import Change, change_of
from crawl_core.spec.status import ConditionType, Status
from crawl_operator.crd import decisions
from crawl_operator.crd.resource import crd
from crawl_operator.crd.schema import Node, resolved
from crawl_operator.values import names
from crawl_operator.values.condition_list import CONDITIONS, REASONS

HEAD = f"""# Every field of a CrawlJob

Made by `make sync` from `crawl_core.spec`, as the CRD is; a test compares both. Every field of `spec` has a default or
may be left out, and none may be null: `spec: {{}}` is the exhaustive crawl of the sandbox. `artistcrawl validate FILE`
names everything that is wrong at once, and what to write instead. [k8s/samples](../k8s/samples) has commented samples,
[architecture.md](architecture.md) what is behind the fields.

```yaml
apiVersion: {API_VERSION}
kind: CrawlJob
metadata: {{name: artists}}
spec: {{}}
```

A name has at most 63 characters, since it becomes a label of the workers. A duration is whole numbers with the units
`ms`, `s`, `m` and `h`, such as `90s` or `1h30m`.

The column *a change* says when a new value of a living CrawlJob takes effect. A local run reads its file
when it starts: what is changed meanwhile counts from the next `artistcrawl run` on.

| a change | takes effect |
|---|---|
"""

CHANGES: Mapping[Change, str] = {
    Change.LIVE: "within 10 s, without a restart",
    Change.OPERATOR: (
        "at the operator's next look, at once; no worker takes part. `run` and `rangeSize`: with the next run"
    ),
    Change.RESTART: "workers are replaced one at a time; each drains and repeats no request",
    Change.IMMUTABLE: "never, it is refused: it would be another crawl. Apply it under another name",
}

ANNOTATIONS: Mapping[str, str] = {
    names.ANNOTATION_PAUSED: '`"true"`: the operator leaves the CrawlJob and its workers alone, but for its deletion',
    names.ANNOTATION_RESTART: "a new value: workers are replaced one at a time (`kubectl crawl restart`)",
    names.ANNOTATION_RETRY_DEAD_LETTERS: (
        "a new value: strings that were given up are searched again (`kubectl crawl retry-dead-letters`); one that "
        "ends with `incomplete`: those with fewer results than their total says (`--incomplete`)"
    ),
    names.ANNOTATION_UNFREEZE: "a new value: the bucket's freeze is lifted (`kubectl crawl unfreeze`)",
    names.ANNOTATION_DELETE_RUN: (
        "a new value that begins with the number of a run before the current one: its searches, dead letters and links "
        "to artists are deleted; artists and its counts stay (`kubectl crawl delete-run`)"
    ),
}


@dataclass(frozen=True, slots=True)
class _Field:
    """One field, at its path below `spec` or `status`. `required`: it must be there where its object is."""

    path: str
    schema: Node
    required: bool


def page() -> str:
    """The whole page."""
    spec, status = (model.model_json_schema(by_alias=True) for model in (Spec, Status))
    sections = [_section("spec", _small_fields(spec), spec)]
    sections += [_section(f"spec.{name}", _fields(node, spec, name), node) for name, node in _large_sections(spec)]
    return "\n".join(
        [
            HEAD + "\n".join(f"| {change} | {meaning} |" for change, meaning in CHANGES.items()) + "\n",
            *sections,
            _between_fields(),
            _pairs("Annotations", "What a user asks for once, beside the spec.", ("annotation", "does"), ANNOTATIONS),
            _status(status),
            _conditions(),
            f"## Why it is so\n\n{_table(('decision', 'reason'), decisions.DECISIONS)}",
            f"{decisions.POLICY}{decisions.conversion()}{decisions.STEPS}",
        ]
    )


_ABOUT_CONDITIONS = (
    "For tools, by the conventions of the Kubernetes API: `kubectl wait --for=condition=Succeeded crawl/NAME`. These "
    "are all reasons that there are; the message of a condition says more, and has the commands to run. A condition "
    "keeps what it said while the operator cannot look."
)


def _conditions() -> str:
    """Each condition with its reasons."""
    tables = [f"### {kind}\n\nTrue: {meaning}.\n\n{_reasons(kind)}" for kind, meaning in CONDITIONS.items()]
    return "\n".join([f"## Conditions\n\n{_ABOUT_CONDITIONS}\n", *tables])


def _reasons(kind: ConditionType) -> str:
    listed = [each for each in REASONS if kind in each.conditions]
    rows = [(each.status, f"`{each.reason}`", each.means, each.to_do) for each in listed]
    return _table(("status", "reason", "means", "what to do"), rows)


def _large_sections(spec: Node) -> Iterator[tuple[str, Node]]:
    """The objects of the spec that have a table of their own."""
    for name, property_schema in spec["properties"].items():
        node = resolved(property_schema, spec["$defs"])
        if len(node.get("properties", {})) > 1:
            yield name, node


def _small_fields(spec: Node) -> Iterator[_Field]:
    large = {name for name, _ in _large_sections(spec)}
    rest = {name: node for name, node in spec["properties"].items() if name not in large}
    return _fields({**spec, "properties": rest}, spec, "")


def _fields(node: Node, root: Node, path: str) -> Iterator[_Field]:
    """Each field below an object, and the object before what is in it, in the order of the types."""
    defaults = node.get("default") or {}
    for name, property_schema in node.get("properties", {}).items():
        schema, place = resolved(property_schema, root["$defs"]), f"{path}.{name}".lstrip(".")
        default = defaults.get(name, schema.get("default"))
        yield _Field(place, {**schema, "default": default}, name in node.get("required", ()) and default is None)
        if "properties" in schema:
            yield from _fields(schema, root, place)
        elif "items" in schema:
            yield from _fields(resolved(schema["items"], root["$defs"]), root, f"{place}[]")


def _section(title: str, fields: Iterable[_Field], node: Node) -> str:
    rows = [
        (
            f"`{field.path}`",
            _type(field.schema),
            _default(field),
            _bounds(field.schema),
            change_of(field.path.replace("[]", "")).value,
            field.schema["description"],
        )
        for field in fields
    ]
    header = ("field", "type", "default", "bounds", "a change", "what it is")
    return f"## {title}\n\n{node['description']}\n\n{_table(header, rows)}"


def _status(status: Node) -> str:
    rows = [
        (f"`{field.path}`", _type(field.schema), field.schema["description"]) for field in _fields(status, status, "")
    ]
    about = "What was observed last. Written by the operator alone; counts are the ledger's."
    return f"## status\n\n{about}\n\n{_table(('field', 'type', 'what it is'), rows)}"


def _between_fields() -> str:
    """The CRD's rules that relate two fields. A rule about a former value is in the column of changes."""
    spec = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    rows = [
        (f"`{place}{rule['fieldPath']}`".replace("`.", "`"), rule["message"])
        for place, node in _objects(spec, "")
        for rule in node.get("x-kubernetes-validations", [])
        if "fieldPath" in rule and "oldSelf" not in rule["rule"]
    ]
    operator = _table(("field", "reason", "where it is wrong"), decisions.OF_THE_OPERATOR)
    rules = _table(("field", "where it is wrong"), rows)
    return f"## Between fields\n\n{decisions.CHECKED}\n\n{operator}\nThe rules of the CRD:\n\n{rules}"


def _objects(node: Node, place: str) -> Iterator[tuple[str, Node]]:
    yield place, node
    for name, field in node.get("properties", {}).items():
        yield from _objects(field, f"{place}.{name}".lstrip("."))
    if "items" in node:
        yield from _objects(node["items"], f"{place}[]")


def _pairs(title: str, about: str, header: tuple[str, str], meanings: Mapping[Any, str]) -> str:
    return f"## {title}\n\n{about}\n\n{_table(header, [(f'`{name}`', what) for name, what in meanings.items()])}"


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _type(field: Node) -> str:
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field.get("x-kind") == "duration":
        return "duration"
    if field.get("format") == "date-time":
        return "instant"
    if field["type"] == "object" and "properties" not in field:
        return "map"
    return {"array": "list"}.get(field["type"], str(field["type"]))


def _default(field: _Field) -> str:
    default = field.schema["default"]
    if field.required:
        return "must be given"
    if default is None or isinstance(default, dict | list | tuple):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _bounds(field: Node) -> str:
    if "minimum" in field and "maximum" in field:
        return f"{field['minimum']:,} to {field['maximum']:,}"
    if "x-bounds" in field:
        low, high = field["x-bounds"]
        return f"{low} to {high}"
    bounds = [str(field["x-write"])] if "x-write" in field else []
    if field.get("type") == "string" and "maxLength" in field and "at most" not in "".join(bounds):
        bounds.append(f"at most {field['maxLength']} characters")
    return "; ".join(bounds)
