"""Durations as people write them in Kubernetes: `30s`, `5m`, `1h30m`, `500ms`.

Only what a CRD's pattern can check is accepted, so that a file which runs here is also accepted by a cluster: whole
numbers and the units ms, s, m, h. Days and weeks (whose length is a matter of calendars), fractions and bare numbers
are refused, each with what to write instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

PATTERN = "^([0-9]+(ms|s|m|h))+$"
MAX_LENGTH = 16
"""Characters. CRD validation rules cost by the length of what they read."""

_UNIT_MS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_PARTS = re.compile(r"([0-9]+)(ms|s|m|h)")
_WHOLE = re.compile(PATTERN)

# What people write when they mean a duration, in milliseconds. Only for suggestions.
_MEANT_MS = {
    "": 1_000,
    **_UNIT_MS,
    **dict.fromkeys(("sec", "secs", "second", "seconds"), 1_000),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60_000),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), 3_600_000),
    **dict.fromkeys(("d", "day", "days"), 86_400_000),
    **dict.fromkeys(("w", "week", "weeks"), 604_800_000),
}
_MEANT = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([a-z]*)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time. Equal when equally long; printed as it was written."""

    milliseconds: int
    text: str = field(compare=False)

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read `1h30m`. Raises ValueError for anything that a CRD's pattern would refuse."""
        if len(text) > MAX_LENGTH or not _WHOLE.fullmatch(text):
            raise ValueError(f"{text!r} is no duration; write whole numbers with ms, s, m or h, such as 30s or 1h30m")
        return cls(sum(int(number) * _UNIT_MS[unit] for number, unit in _PARTS.findall(text)), text)

    @property
    def seconds(self) -> float:
        """Its length in seconds."""
        return self.milliseconds / 1000

    def canonical(self) -> str:
        """The one way to write this length, such as 1h30m for 90m: for comparing what is stored as text."""
        return written(self.milliseconds)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Validate from text, and serialise as it was written."""
        return core_schema.no_info_plain_validator_function(
            _validated, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """What a CRD can check of it by itself."""
        return {"type": "string", "pattern": PATTERN, "maxLength": MAX_LENGTH, "x-kind": "duration"}


def written(milliseconds: int) -> str:
    """The shortest way to write that many milliseconds."""
    parts = []
    for unit, size_ms in _UNIT_MS.items():
        count, milliseconds = divmod(milliseconds, size_ms)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def suggestion(value: object) -> str | None:
    """What somebody meant who wrote `30`, `1.5h`, `2 days` or `30S`; None when that cannot be told."""
    if isinstance(value, bool):
        return None
    number_and_unit = _MEANT.fullmatch(str(value))
    size_ms = _MEANT_MS.get(number_and_unit[2].lower()) if number_and_unit else None
    if number_and_unit is None or size_ms is None:
        return None
    meant = written(round(float(number_and_unit[1]) * size_ms))
    return meant if len(meant) <= MAX_LENGTH else None


def _validated(value: object) -> Duration:
    if isinstance(value, Duration):
        return value
    try:
        return Duration.parse(value if isinstance(value, str) else repr(value))
    except ValueError as error:
        raise PydanticCustomError("duration", "{reason}", {"reason": str(error)}) from error
