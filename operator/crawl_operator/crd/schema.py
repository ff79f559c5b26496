"""From pydantic's JSON schema to the structural schema that a CRD takes.

A structural schema has no $ref, no patternProperties and no null, and an API server ignores what it does not know. So
references are resolved, rules for the names in a map become CEL, and whatever only our messages need is dropped. A
pattern stays, for tools that read schemas, and gets a rule beside it, because a message should say what to write
instead of which expression did not match. It refuses what it does not know rather than to lose a bound silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Node = dict[str, Any]

KEPT = (
    "type",
    "format",
    "description",
    "default",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "maxItems",
    "maxProperties",
    "required",
    "x-kubernetes-int-or-string",
    "x-kubernetes-validations",
)
READ = ("$ref", "$defs", "properties", "items", "additionalProperties", "patternProperties", "propertyNames", "anyOf")
DROPPED = ("title", "x-write", "x-kind", "x-bounds")


def structural(model: type[BaseModel]) -> Node:
    """The structural schema of a model, with its defaults."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _node(schema, schema.get("$defs", {}))


def rule(expression: str, message: str, *, field: str = "", computed: str = "") -> Node:
    """A CEL rule. `computed` is an expression for the message; the plain one stands in where that fails."""
    rule_node = {"rule": expression, "message": message}
    if computed:
        rule_node["messageExpression"] = computed
    if field:
        rule_node["fieldPath"] = f".{field}"
    return rule_node


def quoted(text: str) -> str:
    """A raw CEL string, in which a backslash is only a backslash."""
    if '"' not in text:
        return f'r"{text}"'
    if "'" not in text:
        return f"r'{text}'"
    raise ValueError(f"{text} has both kinds of quotes")


def _node(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Node:
    schema = resolved(schema, definitions)
    if unknown := schema.keys() - {*KEPT, *READ, *DROPPED}:
        raise ValueError(f"a CRD has no {sorted(unknown)}; say in this module what becomes of it")
    node = {name: schema[name] for name in KEPT if name in schema}
    if "default" in node:
        node["default"] = _without_nothing(node["default"])
    rules = [*_shape_rules(schema), *_bounds_rules(schema), *_key_rules(schema)]
    node.pop("x-kubernetes-validations", None)
    if rules:
        node["x-kubernetes-validations"] = rules
    if schema.get("x-kubernetes-int-or-string"):
        node["anyOf"] = schema["anyOf"]
    if "properties" in schema:
        node["properties"] = {name: _node(each, definitions) for name, each in schema["properties"].items()}
    if "items" in schema:
        node["items"] = _node(schema["items"], definitions)
    if "patternProperties" in schema:
        (values,) = schema["patternProperties"].values()
        node["additionalProperties"] = _node(values, definitions)
    elif isinstance(schema.get("additionalProperties"), Mapping):
        node["additionalProperties"] = _node(schema["additionalProperties"], definitions)
    return node


def resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Node:
    """With what it refers to; what stands beside the reference wins."""
    if "$ref" not in schema:
        return dict(schema)
    target = definitions[schema["$ref"].rsplit("/", 1)[1]]
    return {**resolved(target, definitions), **{name: value for name, value in schema.items() if name != "$ref"}}


def _without_nothing(value: Any) -> Any:
    """A default without null, which an API server refuses, and without empty maps and lists, which say nothing."""
    if not isinstance(value, Mapping):
        return value
    filled = {name: _without_nothing(each) for name, each in value.items()}
    return {name: each for name, each in filled.items() if each not in (None, {}, [], ())}


def _shape_rules(schema: Node) -> list[Node]:
    """What to write, beside a pattern."""
    if "pattern" not in schema or "x-write" not in schema or "x-bounds" in schema:
        return []
    matches = f"self.matches({quoted(schema['pattern'])})"
    if schema.get("x-kubernetes-int-or-string"):
        matches = f"type(self) == int ? self >= 0 : {matches}"
    return [rule(matches, f"write {schema['x-write']}")]


def _bounds_rules(schema: Node) -> list[Node]:
    """A field's own rules; those of a duration wait for its shape, since duration('soon') would be an error."""
    rules: list[Node] = schema.get("x-kubernetes-validations", [])
    if "x-bounds" not in schema:
        return rules
    shape = f"self.matches({quoted(schema['pattern'])})"
    return [{**each, "rule": f"{shape} && {each['rule']}"} for each in rules]


def _key_rules(schema: Node) -> list[Node]:
    """The names in a map: a CRD has bounds for values only."""
    if "patternProperties" not in schema:
        return []
    (pattern,) = schema["patternProperties"]
    names = schema["propertyNames"]
    shape = f"self.all(key, size(key) <= {names['maxLength']} && key.matches({quoted(pattern)}))"
    return [rule(shape, f"has a name that is none; write {names['x-write']}")]
