"""The status as it was written last, which a plan compares with, so that each change is told once. Pure.

A field that another version wrote and that cannot be read counts as absent, and fails nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from crawl_core.spec.status import Condition, Status


def parse_stored_status(raw: Mapping[str, Any]) -> Status:
    """What can be read of a status."""
    try:
        return Status.model_validate(dict(raw))
    except ValidationError:
        return Status(**_readable(raw))


def _readable(raw: Mapping[str, Any]) -> dict[str, Any]:
    readable: dict[str, Any] = {}
    for name, field in Status.model_fields.items():
        value = raw.get(field.alias or name)
        if name == "conditions" and isinstance(value, list):
            value = [condition for condition in value if _is_condition(condition)]
        try:
            status = Status.model_validate({name: value})
        except ValidationError:
            continue
        readable[name] = getattr(status, name)
    return readable


def _is_condition(value: object) -> bool:
    try:
        Condition.model_validate(value)
    except ValidationError:
        return False
    return True
