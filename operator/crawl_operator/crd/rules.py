"""CEL rules for what relates two fields, and for what may not change: the API server's form of crawl_core's `checks`.

Every message says what to write. A rule is given to the nearest object that holds all it reads, and names the field at
fault. Which fields may not change is read from crawl_core's table of changes. No rule computes what the code computes
(how many ranges there are, which dataset an address stands for): that is told by the operator, as a condition.
"""

from __future__ import annotations

from crawl_core.spec import messages
from crawl_core.spec.changes import Change, change_of
from crawl_core.spec.checks import LABEL_PREFIX
from crawl_core.spec.sections import DEPRECATED, SPOTIFY_HOST
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


_SOURCE = [
    rule(
        "self.type != 'Spotify' || self.?spotify.?termsAccepted.or(self.?termsAccepted).orValue(false)",
        messages.SPOTIFY_TERMS,
        field="spotify.termsAccepted",
    ),
    rule("self.type == 'Spotify' || !has(self.spotify)", messages.SPOTIFY_ONLY, field="spotify"),
    *(
        rule(
            f"!has(self.{name}) || self.?spotify.?{name}.orValue(self.{name}) == self.{name}",
            messages.said_twice(name),
            field=name,
        )
        for name in ("market", "termsAccepted")
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
    rule(
        "self.type != 'Spotify' || !has(self.baseURL) || has(self.tokenURL) || "
        f"self.baseURL.lowerAscii().matches('^https?://{SPOTIFY_HOST.replace('.', '[.]')}([:/]|$)')",
        messages.SPOTIFY_TOKENS,
        field="tokenURL",
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
    """A rule for each field of the section that may not change; written where it was left to its default is no change.

    A field that is also read at a deprecated place has its rule there, which reads both.
    """
    if not path or "properties" not in schema:
        return []
    return [
        _unchanged(path, name, has_default="default" in field)
        for name, field in schema["properties"].items()
        if change_of(f"{path}.{name}") is Change.IMMUTABLE
        and "properties" not in field
        and f"{path}.{name}" not in DEPRECATED.values()
    ]


_OTHER_NAME = "a CrawlJob of another name"


def _unchanged(path: str, name: str, *, has_default: bool) -> Node:
    member = DEPRECATED.get(f"{path}.{name}", "").removeprefix(f"{path}.")
    now, before = (f"{each}.{name}" if has_default else _or_empty(each, name, member) for each in ("self", "oldSelf"))
    written = f"'cannot change; write %s again, or {_OTHER_NAME}'.format([{before}])"
    absent = f"'cannot change; leave it out again, or write {_OTHER_NAME}'"
    # Without a name, the dataset is the type's or the address's: whether that is another one, the operator says.
    either = f"!has(self.{name}) || !has(oldSelf.{name}) || " if name == "dataset" else ""
    return rule(
        f"{either}{now} == {before}",
        f"cannot change; write its former value, or {_OTHER_NAME}",
        field=member or name,
        computed=written if has_default else f"{before} == '' ? {absent} : {written}",
    )


def _or_empty(place: str, name: str, member: str) -> str:
    """A text without a default, or '' where it is absent. An optional would be beyond the API server's budget."""
    value = f"has({place}.{name}) ? {place}.{name} : ''"
    if member:
        parent = f"{place}.{member.rpartition('.')[0]}"
        value = f"has({parent}) && has({place}.{member}) ? {place}.{member} : {value}"
    return f"({value})"
