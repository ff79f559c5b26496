"""Reads YAML and JSON as a cluster would: what `kubectl apply` refuses or reads otherwise is not accepted here.

A field given twice is refused (PyYAML keeps the last one silently). It also remembers what stands in the file where
YAML reads something else than text, such as 0000 (the number 0) or NO (false), so that messages can show it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from crawl_core.errors import Problem, SpecError
from crawl_core.spec.fields import ABSENT
from crawl_core.spec.remedies import Location, path_of

_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"


def _as_text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with the numbers that kubectl's YAML knows and PyYAML takes for text: 1e10, 0999, 0o17."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?0o[0-7]+$"), list("-+0"))
# kubectl leaves dates as text, so that the field they stand in says what is wrong.
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_text)


@dataclass
class Document:
    """One document of a file: its data, and what stands there in other words."""

    data: Any
    written: dict[Location, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    odd_names: list[Problem] = field(default_factory=list)
    """Names that YAML reads as something else than text. Only worth telling where the field is not refused anyway."""


def read_documents(text: str, *, origin: str) -> list[Document]:
    """The non-empty documents of a text. Raises SpecError when it is neither YAML nor JSON."""
    if text.lstrip().startswith("{") and (json_document := _json_document(text)):
        return [json_document]
    try:
        return [document for document in _yaml_documents(text) if document.data is not None]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SpecError(origin, [_unreadable(error, text)]) from error


def _yaml_documents(text: str) -> Iterator[Document]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            document = Document(None)
            if node is not None:
                _visit(node, (), document, set())
                document.data = loader.construct_document(node)
            yield document
    finally:
        loader.dispose()


def _visit(node: yaml.Node, at: Location, document: Document, seen: set[int]) -> None:
    """Note duplicate fields and plain values that are not text. An alias is visited once."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode) and node.tag != _TEXT:
        document.written[at] = node.value
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            _visit(item, (*at, number), document, seen)
    elif isinstance(node, yaml.MappingNode):
        names: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if isinstance(key, yaml.ScalarNode) and key.tag not in (_TEXT, _MERGE):
                # kubectl makes "true" of an unquoted yes. Here it stays yes, and is refused.
                key.tag = _TEXT
                odd = Problem(path_of((*at, name)), name, f'not text to YAML; write the name in quotes: "{name}"')
                document.odd_names.append(odd)
            if name in names:
                line = key.start_mark.line + 1
                document.problems.append(_twice((*at, name), f" (again in line {line})"))
            names.add(name)
            _visit(value, (*at, name), document, seen)


def _json_document(text: str) -> Document | None:
    """The text as JSON; None when it is none, as with `{a: b}`, which is YAML."""
    document = Document(None)

    def fields(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        document.problems.extend(_twice((name,), "") for name in sorted({n for n in names if names.count(n) > 1}))
        return dict(pairs)

    try:
        document.data = json.loads(text, object_pairs_hook=fields)
    except (ValueError, RecursionError):
        return None
    return document


def _twice(location: Location, where: str) -> Problem:
    return Problem(path_of(location), "given twice", f"write the field once{where}")


def _unreadable(error: Exception, text: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or " ".join(str(error).split()) or type(error).__name__
    remedy = "write spaces instead of the tab" if "\\t" in reason else "mend it there"
    if mark is None:
        return Problem("file", ABSENT, f"is neither YAML nor JSON ({reason}); write a CrawlJob as in k8s/samples")
    lines = text.splitlines()
    line = lines[mark.line].strip() if mark.line < len(lines) else "(the end)"
    return Problem(f"line {mark.line + 1}, column {mark.column + 1}", line, f"{reason}; {remedy}")
