"""The kinds of fields a CrawlJob has: what each accepts, and what its JSON schema tells the CRD and the user.

Every string has a longest length and every number its bounds, as CRD validation rules need them. What to write instead
of a wrong value stands in the schema under `x-write`, beside the pattern that refused it. Null is refused everywhere:
server-side apply refuses it, so a file with null would work here and fail in a cluster.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError, core_schema

from crawl_core.durations import Duration
from crawl_core.spec import messages

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME = r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)"
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|Ki|[MGTPE]i?)?")

T = TypeVar("T")


class _Absent:
    """Stands in a problem for the value of a field that is not there."""

    def __repr__(self) -> str:
        return "(absent)"


ABSENT = _Absent()


def _plain_defaults(schema: dict[str, Any]) -> None:
    """Defaults as YAML has them: an optional field has none, a duration is text."""
    for field in schema.get("properties", {}).values():
        if "default" in field and field["default"] is None:
            del field["default"]
        elif field.get("x-kind") == "duration" and "default" in field:
            field["default"] = field["default"]["text"]


class Section(BaseModel):
    """One object of a CrawlJob: read-only, camelCase in YAML and snake_case here, and closed to unknown fields."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        json_schema_extra=_plain_defaults,
    )


class _Optional:
    """Marks a field that may be left out but not be null."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(_refuse_null, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        without_null: dict[str, Any] = handler(schema)["anyOf"][0]
        return without_null


@dataclass(frozen=True)
class Says:
    """What to write in a field of this kind, as the end of a sentence that begins with `write`."""

    write: str
    kind: str = ""

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "x-write": self.write} | ({"x-kind": self.kind} if self.kind else {})


@dataclass(frozen=True)
class Between:
    """Bounds of a duration, both included, and the CRD rule that says the same."""

    low: str
    high: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        write = f"a duration from {self.low} to {self.high}"
        rule = f"duration(self) >= duration('{self.low}') && duration(self) <= duration('{self.high}')"
        return {
            **handler(schema),
            "x-write": write,
            "x-bounds": [self.low, self.high],
            "x-kubernetes-validations": [{"rule": rule, "message": f"write {write}"}],
        }

    def _checked(self, value: Duration) -> Duration:
        if not Duration.parse(self.low) <= value <= Duration.parse(self.high):
            raise PydanticCustomError("out_of_bounds", "outside of {low} to {high}", vars(self))
        return value


def _refuse_null(value: object) -> object:
    if value is None:
        raise PydanticCustomError("null", "null")
    return value


def _quantity(value: object) -> str | int:
    """An amount of a resource, as Kubernetes writes it. A YAML float is none: a cluster refuses it, too."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and len(value) <= 32 and _QUANTITY.fullmatch(value):
        return value
    raise PydanticCustomError("quantity", "no quantity")


def _port_in_range(url: str) -> str:
    port = re.search(r":([0-9]+)(/|$)", url.split("//", 1)[1])
    if port and not 0 < int(port[1]) <= 65535:
        raise PydanticCustomError("write", messages.A_PORT)
    return url


def _without_trailing_slash(url: str) -> str:
    return url.rstrip("/")


Maybe = Annotated[T | None, _Optional()]

Alphabet = Annotated[
    str,
    StringConstraints(
        min_length=1,
        max_length=36,
        pattern="^"
        + "".join(f"{c}?" for c in "0123456789")
        + "".join(f"{c}?" for c in "abcdefghijklmnopqrstuvwxyz")
        + "$",
    ),
    Says("digits and lower-case letters, sorted, each at most once", kind="alphabet"),
]
SearchString = Annotated[
    str,
    StringConstraints(min_length=1, max_length=8, pattern="^[0-9a-z]+$"),
    Says("digits and lower-case letters, as many as minLength says"),
]
Url = Annotated[
    str,
    StringConstraints(
        min_length=8,
        max_length=512,
        pattern=r"^https?://([A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
        r"(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?$",
    ),
    AfterValidator(_port_in_range),
    Says(
        "a whole address without query, fragment or password, such as https://api.example.com or http://127.0.0.1:8080"
    ),
]
BaseUrl = Annotated[Url, AfterValidator(_without_trailing_slash)]
QueryTemplate = Annotated[
    str,
    StringConstraints(min_length=2, max_length=200, pattern=r"^[^{}\x00-\x1f\x7f]*\{\}[^{}\x00-\x1f\x7f]*$"),
    Says('one line of text with {} exactly once, where the string goes, such as "{}" or \'artist:"{}"\''),
]
# As long as a host and its port: where none is written, the dataset is that of the baseURL.
Dataset = Annotated[
    str,
    StringConstraints(min_length=1, max_length=260, pattern=r"^[A-Za-z0-9._:\[\]-]+$"),
    Says("a name of letters, digits, ., _, - and :, such as spotify or api.example.com:8443"),
]
Market = Annotated[
    str,
    StringConstraints(min_length=2, max_length=2, pattern="^[A-Z]{2}$"),
    Says("a country's two capital letters, such as SE"),
]
DnsLabel = Annotated[
    str,
    StringConstraints(min_length=1, max_length=63, pattern=f"^{_LABEL}$"),
    Says("at most 63 lower-case letters, digits and -, with a letter or digit at both ends"),
]
# A job's name is the value of a label of its pods, which has at most 63 characters.
JobName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=63, pattern=rf"^{_LABEL}(\.{_LABEL})*$"),
    Says("at most 63 lower-case letters, digits, - and ., with a letter or digit at both ends, such as artists"),
]
DnsSubdomain = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253, pattern=rf"^{_LABEL}(\.{_LABEL})*$"),
    Says("lower-case letters, digits, - and ., with a letter or digit at both ends"),
]
BucketName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=63, pattern="^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"),
    Says("at most 63 lower-case letters, digits, - and ., with a letter or digit at both ends, such as my-account"),
]
LabelKey = Annotated[
    str,
    StringConstraints(min_length=1, max_length=317, pattern=rf"^({_LABEL}(\.{_LABEL})*/)?{_NAME}$"),
    Says("a label's name, such as team or kueue.x-k8s.io/queue-name"),
]
LabelValue = Annotated[
    str,
    StringConstraints(max_length=63, pattern=f"^{_NAME}?$"),
    Says("at most 63 letters, digits, -, _ and ., with a letter or digit at both ends"),
]
Labels = Annotated[
    dict[LabelKey, LabelValue], Field(max_length=64), Says("a map of names to texts, such as {team: data}")
]
Quantity = Annotated[
    str | int,
    PlainValidator(_quantity),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": 32,
            "pattern": f"^{_QUANTITY.pattern}$",
            "x-write": "a quantity such as 500m, 2 or 256Mi",
        }
    ),
]
