"""Turns a refused field into a problem that says what to write instead.

What a field accepts is read from the CrawlJob's JSON schema, so that no bound or pattern stands in two places. Here are
only the sentences, and guesses at what was meant.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic_core import ErrorDetails

from crawl_core import durations
from crawl_core.errors import Problem
from crawl_core.spec.crawljob import CrawlJob
from crawl_core.spec.fields import ABSENT
from crawl_core.spec.sections import DEPRECATED

Location = tuple[str | int, ...]
Written = Mapping[Location, str]
"""What stands in the file where YAML read something else than text: 0000 for the number 0."""

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_KEY = "[key]"
_ANY_TEXT = "a text, in quotes"


@cache
def _schema() -> dict[str, Any]:
    return CrawlJob.model_json_schema(by_alias=True)


def path_of(location: Sequence[str | int]) -> str:
    """`spec.workers.tolerations[0].key`, as people write it."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif _IDENTIFIER.fullmatch(part):
            path += f".{part}" if path else part
        else:
            path += f"[{json.dumps(part)}]"
    return path


def problem_of(error: ErrorDetails, written: Written) -> Problem:
    """What to tell the user about one error of pydantic's."""
    location = tuple(part for part in error["loc"] if part != _KEY)
    value = _without_password(error["input"])
    if error["type"] == "missing":
        return Problem(path_of(location), ABSENT, f"missing; write {_what(_node(location))}")
    if error["type"] == "invalid_key":
        return Problem(
            path_of(error["loc"][:-1]),
            value,
            "no such field; the names of fields are texts",
        )
    if error["type"] == "extra_forbidden":
        return Problem(path_of(location), value, _unknown_field(location))
    if error["loc"][-1:] == (_KEY,):
        return Problem(path_of(location), value, "is no valid name; write " + _what(_key_node(location)))
    if error["type"] == "write":
        return Problem(path_of(location), value, error["msg"])
    if value is None:
        return Problem(path_of(location), None, _instead_of_null(location))
    return Problem(path_of(location), value, _sentence(_node(location), value, written.get(location)))


def _without_password(value: object) -> object:
    """Messages are logged; a password in an address is not."""
    return re.sub(r"://[^/@]*@", "://***@", value) if isinstance(value, str) else value


def _sentence(node: dict[str, Any], value: object, written: str | None) -> str:
    """The remedy for a value of the wrong kind, size or shape."""
    guess = _guess(node, value, written)
    what = _what(node)
    default = node.get("default")
    if guess is not None:
        return guess if what in guess or "properties" in node or what == _ANY_TEXT else f"{guess} ({what})"
    if isinstance(default, (str, int)) and not isinstance(default, bool):
        return f"write {what}; the default is {json.dumps(default)}"
    return f"write {what}"


def _what(node: dict[str, Any]) -> str:
    """What a field accepts, as the end of a sentence that begins with `write`."""
    if "x-write" in node:
        return str(node["x-write"])
    if "const" in node or "enum" in node:
        values = [str(value) for value in node.get("enum", [node.get("const")])]
        return values[0] if len(values) == 1 else f"one of {', '.join(values)}"
    if node.get("type") == "integer":
        return f"a whole number from {node['minimum']} to {node['maximum']}"
    if node.get("type") == "boolean":
        return "true or false, without quotes"
    if "properties" in node:
        return f"fields below it, such as {', '.join(list(node['properties'])[:4])}"
    if node.get("type") == "array":
        return f"a list of at most {node['maxItems']} entries, each beginning with '- '"
    if "maxLength" in node:
        return f"a text of at most {node['maxLength']} characters"
    return _ANY_TEXT


def _guess(node: dict[str, Any], value: object, written: str | None) -> str | None:
    """What was probably meant, as a whole remedy; None when that cannot be told."""
    if node.get("x-kind") == "duration":
        return _guess_duration(node, value)
    if "enum" in node or "const" in node:
        return _guess_choice(node.get("enum", [node.get("const")]), value)
    if node.get("type") in ("integer", "boolean"):
        return _guess_plain(node, value)
    if list(node.get("properties", {})) == ["name"] and isinstance(value, str):
        return f"write {{name: {value}}}"
    if node.get("type") == "string" or "pattern" in node:
        return _guess_text(node, value, written)
    return None


def _guess_duration(node: dict[str, Any], value: object) -> str | None:
    """A length of time in other words, such as 30 or 2 days, where it is within bounds."""
    meant = durations.suggestion(value)
    if meant is None or meant == value:
        return None
    low, high = (durations.Duration.parse(bound) for bound in node["x-bounds"])
    return f"write {meant}" if low <= durations.Duration.parse(meant) <= high else None


def _guess_choice(choices: Sequence[str], value: object) -> str | None:
    by_lower = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(str(value)[:64].lower(), by_lower, n=1, cutoff=0.6)
    if not close:
        return None
    return f"write {by_lower[close[0]]}"


def _guess_plain(node: dict[str, Any], value: object) -> str | None:
    """A number or a truth value that was written as text, or with a fraction of nothing."""
    if isinstance(value, float) and node["type"] == "integer" and value.is_integer():
        return f"write {int(value)}, without a fraction"
    if not isinstance(value, str):
        return None
    text = re.sub(r"[\s,_']", "", value.lower())
    if node["type"] == "boolean":
        meant = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}.get(text)
        return f"write {meant}, without quotes" if meant else None
    if text.isdecimal() and node["minimum"] <= int(text) <= node["maximum"]:
        return f"write {int(text)}, without quotes"
    return None


def _guess_text(node: dict[str, Any], value: object, written: str | None) -> str | None:
    """A text that YAML took for something else, or that is right but for its case or order."""
    if isinstance(value, bool | int | float):
        text = written if written is not None else json.dumps(value)
        if not _fits(node, text):
            return None
        return f'YAML reads {text} as {_kind(value)}; write it in quotes: "{text}"'
    if not isinstance(value, str):
        return None
    sorted_once = "".join(sorted(set(value.lower()))) if node.get("x-kind") == "alphabet" else ""
    for text in (value.strip(), value.strip().lower(), value.strip().upper(), sorted_once):
        if text and text != value and _fits(node, text):
            return f"write {json.dumps(text)}"
    return None


def _fits(node: dict[str, Any], text: str) -> bool:
    shortest, longest = node.get("minLength", 0), node.get("maxLength", len(text))
    return bool(re.search(node.get("pattern", ""), text)) and shortest <= len(text) <= longest


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return f"the truth value {json.dumps(value)}"
    return f"the number {value:.15g}" if isinstance(value, float) else f"the number {value}"


def _instead_of_null(location: Location) -> str:
    node = _node(location)
    if "default" in node and not isinstance(node["default"], (dict, list)):
        return f"null is refused; leave the field out for its default {json.dumps(node['default'])}"
    if "properties" in node:
        return "nothing stands below it; leave the field out, or indent what belongs to it"
    return f"null is refused; leave the field out, or write {_what(node)}"


def _unknown_field(location: Location) -> str:
    """Where else a field belongs, or which one was meant."""
    name, parent = str(location[-1]), location[:-1]
    known = [field for field in _node(parent).get("properties", {}) if not _is_deprecated((*parent, field))]
    if meant := _closest(name, known, cutoff=0.65):
        return f"no such field; write {meant}"
    every = list(_paths())
    meant = _closest(name, [str(path[-1]) for path in every], cutoff=0.75)
    elsewhere = [path for path in every if path[-1] == meant and not _is_deprecated(path)]
    if elsewhere:
        return f"no such field here; write it as {path_of(min(elsewhere, key=len))}"
    return f"no such field; leave it out, or write one of {', '.join(known)}"


def _is_deprecated(location: Sequence[str | int]) -> bool:
    return path_of(location).removeprefix("spec.") in DEPRECATED


def _closest(name: str, known: Sequence[str], *, cutoff: float) -> str | None:
    """The known name that was probably meant."""
    by_lower = {field.lower(): field for field in known}
    close = difflib.get_close_matches(name.lower().replace("_", "").replace("-", ""), by_lower, n=1, cutoff=cutoff)
    return by_lower[close[0]] if close else None


def _paths(node: dict[str, Any] | None = None, at: Location = ()) -> Iterator[Location]:
    """The location of every field of a CrawlJob."""
    for name, field in _resolved(node or _schema()).get("properties", {}).items():
        yield (*at, name)
        yield from _paths(field, (*at, name))


def _node(location: Sequence[str | int]) -> dict[str, Any]:
    """The schema of a field; empty where there is none."""
    node = _schema()
    for part in location:
        node = _resolved(node)
        if isinstance(part, int):
            node = node.get("items", {})
        else:
            additional: dict[str, Any] = node.get("additionalProperties") or next(
                iter(node.get("patternProperties", {}).values()), {}
            )
            node = node.get("properties", {}).get(part, additional)
    return _resolved(node)


def _key_node(location: Sequence[str | int]) -> dict[str, Any]:
    """The schema of the names in a map."""
    node = _node(location[:-1])
    return _resolved(node.get("propertyNames", {"x-write": "a name such as team or example.org/team"}))


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    """A schema with what it refers to."""
    if "$ref" not in node:
        return node
    target = _schema()["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return {**_resolved(target), **{name: value for name, value in node.items() if name != "$ref"}}
