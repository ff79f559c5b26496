"""CEL rules for what relates two fields, and for what may not change: the API server's form of crawl_core's `checks`.

Every message says what to write. A rule is given to the nearest object that holds all it reads, and names the field at
fault. Which fields may not change is read from crawl_core's table of changes. What CEL cannot say within the API
server's budget is told by the operator, as a condition.
"""

from __future__ import annotations

from crawl_core import durations
from crawl_core.keyspace import (
    DEFAULT_RANGES,
    MAX_DEFAULT_RANGE_SIZE,
    MAX_RANGES,
    MIN_DEFAULT_RANGE_SIZE,
)
from crawl_core.spec import messages
from crawl_core.spec.changes import Change, change_of
from crawl_core.spec.checks import LABEL_PREFIX
from crawl_operator.crd.schema import Node, rule

NAME_LENGTH = 63
"""A CrawlJob's name is the value of a label of its pods."""

_LOOPBACK = r"^http://(127\.|localhost[:/]|localhost$|\[::1\])"


def object_rules() -> list[Node]:
    """Of the whole CrawlJob."""
    return [
        rule(
            f"size(self.metadata.name) <= {NAME_LENGTH}",
            f"write a metadata.name of at most {NAME_LENGTH} characters, since it becomes a label of the workers",
        )
    ]


def section_rules(path: str, schema: Node) -> list[Node]:
    """Of the object at `path` in the spec, such as `keyspace`; `schema` is what it may hold."""
    between = {
        "": _SPOTIFY_NODES,
        "keyspace": [
            *_KEYSPACE,
            *(each for name in ("first", "last") for each in _bound_rules(name)),
            too_many_ranges(),
        ],
        "source": _SOURCE,
        "source.baseURL": [*_URL, _BASE_URL],
        "source.tokenURL": _URL,
        "workers": _WORKERS,
        "workers.labels": _LABELS,
        "workers.tolerations[]": _TOLERATION,
        "retry": _RETRY,
    }.get(path, [])
    return [*between, *_immutable(path, schema)]


# --- Between fields ---------------------------------------------------------------------------------------------------

_SPOTIFY_NODES = [
    rule(
        "!has(self.source) || self.source.type != 'Spotify' || self.rateLimit.bucket != 'Node'",
        messages.SPOTIFY_BUCKET,
        field="rateLimit.bucket",
    )
]

_KEYSPACE = [
    rule(
        "self.minLength <= self.maxLength",
        "write a maxLength of minLength or more, at most 8",
        field="maxLength",
        computed="'smaller than minLength %d; write maxLength: %d or more (at most 8), or minLength: %d or less'"
        ".format([self.minLength, self.minLength, self.maxLength])",
    ),
    rule(
        "!has(self.first) || !has(self.last) || size(self.first) != size(self.last) || self.first <= self.last",
        "write as first a string that comes before last",
        field="first",
        computed="'comes after last; write first: %s and last: %s'.format([self.last, self.first])",
    ),
]


def _bound_rules(name: str) -> list[Node]:
    """Of keyspace.first or keyspace.last."""
    bound, lengths = f"self.{name}", "self.minLength != self.maxLength"
    return [
        rule(
            f"!has({bound}) || self.minLength >= self.maxLength",
            "only works where minLength = maxLength; leave it out, or write its length for both",
            field=name,
            computed=f"'only works where minLength = maxLength; leave it out, or write %d for both'"
            f".format([size({bound})])",
        ),
        rule(
            f"!has({bound}) || {lengths} || size({bound}) == self.minLength",
            "write as many characters as minLength says",
            field=name,
            computed="'has %d characters; write one of %d, or minLength: %d and maxLength: %d'"
            f".format([size({bound}), self.minLength, size({bound}), size({bound})])",
        ),
        rule(
            f"!has({bound}) || {bound}.split('').all(c, self.alphabet.contains(c))",
            "write only characters of the alphabet, or add the others there",
            field=name,
            computed="'write only characters of %s, or add the others to the alphabet'.format([self.alphabet])",
        ),
    ]


def too_many_ranges() -> Node:
    """Ranges are rows, inserted in one transaction. The default size makes too many of them from 6 characters on."""
    size = f"self.?rangeSize.orValue({MAX_DEFAULT_RANGE_SIZE})"
    return rule(
        f"self.minLength > 8 || {_with_strings(f'n <= {size} * {MAX_RANGES}')}",
        f"makes more than {MAX_RANGES} ranges; write a larger rangeSize",
        field="rangeSize",
        computed=f"'makes more than {MAX_RANGES} ranges; write rangeSize: %d or more'"
        f".format([{_with_strings(f'(n + {MAX_RANGES - 1}) / {MAX_RANGES}')}])",
    )


def _with_strings(expression: str) -> str:
    """An expression of n, the strings that are searched in any case, as crawl_core.keyspace counts them.

    A string's place is the sum of its characters' places in the alphabet, each times a power of the alphabet's size.
    CEL has no variables but those of a map over one element.
    """
    powers = f"[size(self.alphabet)].map(b, [1, {', '.join('*'.join('b' * power) for power in range(1, 9))}])"
    place = (
        "[0, 1, 2, 3, 4, 5, 6, 7].map(i, i < size(s) ? self.alphabet.indexOf(s.charAt(i)) * p[size(s)-1-i] : 0).sum()"
    )
    bounds = f"[self.?first.orValue(''), self.?last.orValue('')].map(s, {place})"
    count = f"{bounds}].map(at, (has(self.last) ? at[1] + 1 : p[self.minLength]) - at[0])"
    return f"{powers}.map(p, [{count}.map(n, {expression})[0])[0]"


_SOURCE = [
    rule(
        "self.type != 'Spotify' || self.termsAccepted",
        messages.SPOTIFY_TERMS,
        field="termsAccepted",
    ),
    rule(
        "self.type != 'Spotify' || has(self.credentialsSecretRef)",
        messages.SPOTIFY_CREDENTIALS,
        field="credentialsSecretRef",
    ),
    *(
        rule(
            f"self.type != 'Spotify' || !has(self.{name}) || self.{name}.startsWith('https:') || "
            f"self.{name}.matches(r'{_LOOPBACK}')",
            "would send credentials unencrypted; write an address that begins with https://",
            field=name,
            computed=f"'would send credentials unencrypted; write ' + self.{name}.replace('http:', 'https:')",
        )
        for name in ("baseURL", "tokenURL")
    ),
]

_NO_PORT = "0{1,5}|6553[6-9]|655[4-9][0-9]|65[6-9][0-9]{2}|6[6-9][0-9]{3}|[7-9][0-9]{4}"
_URL = [rule(f"!self.matches('^https?://[^/]*:({_NO_PORT})(/|$)')", messages.A_PORT)]
_BASE_URL = rule(
    "!self.matches('/v1(/search)?/*$')",
    "/v1/search is added to it; write the address without it",
    computed="'/v1/search is added to it; write ' + self.substring(0, self.lastIndexOf('/v1'))",
)

_WORKERS = [
    rule(
        "self.min <= self.max",
        "write a max of min or more",
        field="max",
        computed="'smaller than min %d; write max: %d or more, or min: %d or less'"
        ".format([self.min, self.min, self.max])",
    )
]
_LABELS = [
    rule(
        f"self.all(key, !key.startsWith('{LABEL_PREFIX}'))",
        f"labels that begin with {LABEL_PREFIX} are the operator's; write another name",
    )
]
_TOLERATION = [
    rule(
        "self.operator != 'Exists' || !has(self.value)",
        messages.EXISTS_VALUE,
        field="value",
    ),
    rule("has(self.key) || self.operator == 'Exists'", messages.TAINT_KEY, field="key"),
    rule(
        "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
        messages.NO_EXECUTE_ONLY,
        field="tolerationSeconds",
    ),
]
_RETRY = [
    rule(
        "duration(self.initialBackoff) <= duration(self.maxBackoff)",
        "write a maxBackoff of initialBackoff or more",
        field="maxBackoff",
        computed="'shorter than initialBackoff %s; write maxBackoff: %s or more, or initialBackoff: %s or less'"
        ".format([self.initialBackoff, self.initialBackoff, self.maxBackoff])",
    )
]


# --- What may not change ----------------------------------------------------------------------------------------------


def _immutable(path: str, schema: Node) -> list[Node]:
    """A rule for each field of the section that may not change; equal by default, or equally long, is no change."""
    if not path or "properties" not in schema:
        return []
    fields = [name for name in schema["properties"] if change_of(f"{path}.{name}") is Change.IMMUTABLE]
    return [_unchanged(name, schema["properties"][name]) for name in fields]


def _unchanged(name: str, field: Node) -> Node:
    remedy = "a CrawlJob of another name"
    former = f"'cannot change; write %s again, or {remedy}'.format([oldSelf.{name}])"
    return rule(
        _same(name, field),
        f"cannot change; write its former value, or {remedy}",
        field=name,
        computed=former if "default" in field else "",
    )


def _same(name: str, field: Node) -> str:
    """Whether a field stands for what it stood for: written in other words, or equal by default, is no change."""
    now, before = f"self.{name}", f"oldSelf.{name}"
    if name == "rangeSize":
        default = _with_strings(
            f"n / {DEFAULT_RANGES} < {MIN_DEFAULT_RANGE_SIZE} ? {MIN_DEFAULT_RANGE_SIZE} : "
            f"n / {DEFAULT_RANGES} > {MAX_DEFAULT_RANGE_SIZE} ? {MAX_DEFAULT_RANGE_SIZE} : n / {DEFAULT_RANGES}"
        )
        either = f"self.?{name}.or(oldSelf.?{name})"
        return f"has({now}) == has({before}) ? self.?{name} == oldSelf.?{name} : {either}.value() == {default}"
    if field.get("pattern") == durations.PATTERN:
        return f"duration({now}) == duration({before})"
    if "default" in field:
        return f"{now} == {before}"
    now, before = (f"(has({value}) ? {value} : '')" for value in (now, before))
    if name == "baseURL":
        return f"{now} == {before} || {now} + '/' == {before} || {now} == {before} + '/'"
    if name in ("first", "last"):
        end = f"self.alphabet.charAt({'0' if name == 'first' else 'size(self.alphabet) - 1'})"
        default = f"({now} + {before}).split('').all(c, c == {end})"
        return f"{now} == {before} || (has(self.{name}) != has(oldSelf.{name}) && {default})"
    return f"{now} == {before}"
