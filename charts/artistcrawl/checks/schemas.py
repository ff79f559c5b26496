#!/usr/bin/env python
"""Write JSON schemas for kubeconform, out of what an API server says of its own resources: no download is needed.

    kubectl get --raw /openapi/v2 | schemas.py DIRECTORY [CRD.yaml ...]

The CrawlJob's schema comes from our CRD, whether the API server knows it or not. Strict means that a key which the
schema does not name is an error, as for `kubectl apply --validate=strict`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

KIND = "x-kubernetes-group-version-kind"


def main() -> int:
    """Write DIRECTORY/KIND-GROUP-VERSION.json and what they refer to."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    definitions = json.load(sys.stdin)["definitions"]
    by_name = {name: strict(definition) for name, definition in definitions.items()}
    write(directory / "_definitions.json", {"definitions": by_name})
    for name, definition in definitions.items():
        for kind in definition.get(KIND, ()):
            reference = {"$ref": f"_definitions.json#/definitions/{name}"}
            write(directory / file_name(kind["kind"], kind["group"], kind["version"]), reference)
    for path in map(Path, sys.argv[2:]):
        crd = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
        for version in crd["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema.setdefault("properties", {}).update(
                apiVersion={"const": f"{crd['group']}/{version['name']}"},
                kind={"const": crd["names"]["kind"]},
                metadata={"type": "object"},
            )
            write(directory / file_name(crd["names"]["kind"], crd["group"], version["name"]), schema)
    return 0


def strict(schema: Any) -> Any:
    """Return the schema in JSON Schema's terms, with keys that it does not name refused."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return {"type": ["string", "integer"]}
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return {}
    done = {
        key: {name: strict(field) for name, field in value.items()} if key == "properties" else strict(value)
        for key, value in schema.items()
        if not key.startswith("x-kubernetes-")
    }
    # Optional fields may be written as null; only the CrawlJob's may not, and its schema says so by itself.
    if "properties" in done and "additionalProperties" not in done:
        done["additionalProperties"] = False
    return done


def file_name(kind: str, group: str, version: str) -> str:
    """Return the name by which kubeconform asks: {{.ResourceKind}}{{.KindSuffix}}, all in small letters."""
    prefix = group.partition(".")[0]
    return "-".join(part for part in (kind.lower(), prefix, version) if part) + ".json"


def write(path: Path, schema: Any) -> None:
    """Write one schema."""
    path.write_text(json.dumps(schema), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
