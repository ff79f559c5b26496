"""What relates two fields of a CrawlJob. Each check names the fields it reads and yields the problems it finds.

A check runs whenever the fields that it reads are valid, whatever is wrong elsewhere, so that a user sees everything
that is wrong at once. The CRD's CEL rules say the same as these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from crawl_core.errors import Problem
from crawl_core.keyspace import MAX_RANGES, Keyspace, default_range_size, smallest_range_size
from crawl_core.spec import messages
from crawl_core.spec.fields import ABSENT
from crawl_core.spec.sections import is_spotifys
from crawl_core.spec.unchecked import UncheckedSpec

LABEL_PREFIX = "artistcrawl.dev/"
_LOOPBACK = ("http://127.", "http://localhost:", "http://localhost/", "http://[::1]")
_LENGTHS = ("keyspace.minLength", "keyspace.maxLength")
_BOUNDS = (*_LENGTHS, "keyspace.alphabet", "keyspace.first", "keyspace.last")

_Check = Callable[[UncheckedSpec], Iterator[Problem]]


@dataclass(frozen=True)
class _Registered:
    reads: tuple[str, ...]
    run: _Check


_CHECKS: list[_Registered] = []


def _reads(*fields: str) -> Callable[[_Check], _Check]:
    def register(check: _Check) -> _Check:
        _CHECKS.append(_Registered(fields, check))
        return check

    return register


def cross_field_problems(spec: UncheckedSpec, *, invalid: Sequence[str] = ()) -> list[Problem]:
    """All problems between fields, but those of checks that read one of the `invalid` fields (`rateLimit.window`)."""
    problems: list[Problem] = []
    for check in _CHECKS:
        if not any(_overlap(read, broken) for read in check.reads for broken in invalid):
            problems.extend(check.run(spec))
    return problems


def _overlap(read: str, broken: str) -> bool:
    return f"{read}.".startswith(f"{broken}.") or f"{broken}.".startswith((f"{read}.", f"{read}["))


@_reads(*_LENGTHS)
def _lengths_in_order(spec: UncheckedSpec) -> Iterator[Problem]:
    shortest, longest = spec.keyspace.min_length, spec.keyspace.max_length
    if shortest > longest:
        yield Problem(
            "spec.keyspace.maxLength",
            longest,
            f"smaller than minLength {shortest}; write maxLength: {shortest} or more (at most 8), "
            f"or minLength: {longest} or less",
        )


@_reads(*_LENGTHS, "keyspace.first")
def _first_needs_one_length(spec: UncheckedSpec) -> Iterator[Problem]:
    yield from _needs_one_length(spec, "first", spec.keyspace.first)


@_reads(*_LENGTHS, "keyspace.last")
def _last_needs_one_length(spec: UncheckedSpec) -> Iterator[Problem]:
    yield from _needs_one_length(spec, "last", spec.keyspace.last)


def _needs_one_length(spec: UncheckedSpec, name: str, bound: str | None) -> Iterator[Problem]:
    shortest, longest = spec.keyspace.min_length, spec.keyspace.max_length
    path = f"spec.keyspace.{name}"
    if bound is None or shortest > longest:
        return
    if shortest != longest:
        yield Problem(
            path,
            bound,
            f"only works where minLength = maxLength (here {shortest} and {longest}); "
            f"leave it out, or write {len(bound)} for both lengths",
        )
    elif len(bound) != shortest:
        yield Problem(
            path,
            bound,
            f"has {len(bound)} characters; write one of {shortest}, or minLength: {len(bound)} and "
            f"maxLength: {len(bound)}",
        )


@_reads("keyspace.alphabet", "keyspace.first")
def _first_in_alphabet(spec: UncheckedSpec) -> Iterator[Problem]:
    yield from _in_alphabet(spec, "first", spec.keyspace.first)


@_reads("keyspace.alphabet", "keyspace.last")
def _last_in_alphabet(spec: UncheckedSpec) -> Iterator[Problem]:
    yield from _in_alphabet(spec, "last", spec.keyspace.last)


def _in_alphabet(spec: UncheckedSpec, name: str, bound: str | None) -> Iterator[Problem]:
    alphabet = spec.keyspace.alphabet
    foreign = sorted(set(bound or "") - set(alphabet))
    if foreign:
        yield Problem(
            f"spec.keyspace.{name}",
            bound,
            f"{''.join(foreign)!r} is not in the alphabet; write only characters of {alphabet!r}, or add it there",
        )


@_reads("keyspace.first", "keyspace.last")
def _bounds_in_order(spec: UncheckedSpec) -> Iterator[Problem]:
    first, last = spec.keyspace.first, spec.keyspace.last
    if first and last and len(first) == len(last) and first > last:
        yield Problem(
            "spec.keyspace.first", first, f"comes after last, {last!r}; write first: {last!r} and last: {first!r}"
        )


@_reads(*_BOUNDS, "keyspace.rangeSize")
def _not_too_many_ranges(spec: UncheckedSpec) -> Iterator[Problem]:
    section = spec.keyspace
    try:
        strings = Keyspace(
            section.alphabet, section.min_length, section.max_length, section.first or "", section.last or ""
        ).root_count
    except ValueError:
        return  # The other checks say what is wrong with the bounds.
    size = section.range_size or default_range_size(strings)
    if -(-strings // size) > MAX_RANGES:
        given = "" if section.range_size else f" by default ({size} strings each)"
        yield Problem(
            "spec.keyspace.rangeSize",
            section.range_size or ABSENT,
            f"makes {-(-strings // size):,} ranges{given}, more than {MAX_RANGES:,}; "
            f"write rangeSize: {smallest_range_size(strings)} or more",
        )


@_reads("source.type", "source.termsAccepted", "source.spotify")
def _terms_accepted(spec: UncheckedSpec) -> Iterator[Problem]:
    if spec.source.type == "Spotify" and not spec.source.terms_are_accepted:
        yield Problem("spec.source.spotify.termsAccepted", False, messages.SPOTIFY_TERMS)


@_reads("source.type", "source.spotify")
def _member_of_the_type(spec: UncheckedSpec) -> Iterator[Problem]:
    member = spec.source.spotify
    if spec.source.type != "Spotify" and member is not None:
        yield Problem("spec.source.spotify", member.model_dump(exclude_none=True), messages.SPOTIFY_ONLY)


@_reads("source.market", "source.termsAccepted", "source.spotify")
def _nothing_said_twice(spec: UncheckedSpec) -> Iterator[Problem]:
    source, member = spec.source, spec.source.spotify
    if member is None:
        return
    for name, flat, stated in (
        ("market", source.market, member.market),
        ("termsAccepted", source.terms_accepted, member.terms_accepted),
    ):
        if None not in (flat, stated) and flat != stated:
            yield Problem(f"spec.source.{name}", flat, messages.said_twice(name))


@_reads("source.type", "source.credentialsSecretRef")
def _spotify_needs_credentials(spec: UncheckedSpec) -> Iterator[Problem]:
    if spec.source.type == "Spotify" and spec.source.credentials_secret_ref is None:
        yield Problem(
            "spec.source.credentialsSecretRef",
            ABSENT,
            messages.SPOTIFY_CREDENTIALS,
        )


@_reads("source.type", "rateLimit.bucket")
def _spotify_does_not_count_nodes(spec: UncheckedSpec) -> Iterator[Problem]:
    if spec.source.type == "Spotify" and spec.rate_limit.bucket == "Node":
        yield Problem(
            "spec.rateLimit.bucket",
            "Node",
            messages.SPOTIFY_BUCKET,
        )


@_reads("source.type", "source.baseURL", "source.tokenURL")
def _credentials_stay_encrypted(spec: UncheckedSpec) -> Iterator[Problem]:
    if spec.source.type != "Spotify":
        return
    for name, url in (("baseURL", spec.source.base_url), ("tokenURL", spec.source.token_url)):
        if url and url.startswith("http://") and not f"{url}/".startswith(_LOOPBACK):
            yield Problem(
                f"spec.source.{name}",
                url,
                f"would send credentials unencrypted; write https:{url.removeprefix('http:')}",
            )


@_reads("source.type", "source.baseURL", "source.tokenURL")
def _tokens_of_the_same_service(spec: UncheckedSpec) -> Iterator[Problem]:
    source = spec.source
    if source.type == "Spotify" and source.base_url and not is_spotifys(source.base_url) and source.token_url is None:
        yield Problem("spec.source.tokenURL", ABSENT, messages.SPOTIFY_TOKENS)


@_reads("source.baseURL")
def _base_url_without_version(spec: UncheckedSpec) -> Iterator[Problem]:
    url = spec.source.base_url
    if url and url.endswith(("/v1", "/v1/search")):
        yield Problem(
            "spec.source.baseURL",
            url,
            f"/v1/search is added to it; write {url.removesuffix('/search').removesuffix('/v1')}",
        )


@_reads("workers.min", "workers.max")
def _workers_in_order(spec: UncheckedSpec) -> Iterator[Problem]:
    fewest, most = spec.workers.min, spec.workers.max
    if fewest > most:
        yield Problem(
            "spec.workers.max", most, f"smaller than min {fewest}; write max: {fewest} or more, or min: {most} or less"
        )


@_reads("workers.labels")
def _labels_not_reserved(spec: UncheckedSpec) -> Iterator[Problem]:
    for name, value in spec.workers.labels.items():
        if name.startswith(LABEL_PREFIX):
            yield Problem(
                f'spec.workers.labels["{name}"]',
                value,
                f"labels that begin with {LABEL_PREFIX} are the operator's; write another name",
            )


@_reads("workers.tolerations")
def _tolerations_make_sense(spec: UncheckedSpec) -> Iterator[Problem]:
    for number, toleration in enumerate(spec.workers.tolerations):
        path = f"spec.workers.tolerations[{number}]"
        if toleration.operator == "Exists" and toleration.value is not None:
            yield Problem(f"{path}.value", toleration.value, messages.EXISTS_VALUE)
        if toleration.key is None and toleration.operator != "Exists":
            yield Problem(f"{path}.key", ABSENT, messages.TAINT_KEY)
        if toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
            yield Problem(
                f"{path}.tolerationSeconds",
                toleration.toleration_seconds,
                messages.NO_EXECUTE_ONLY,
            )


@_reads("retry.initialBackoff", "retry.maxBackoff")
def _backoffs_in_order(spec: UncheckedSpec) -> Iterator[Problem]:
    initial, longest = spec.retry.initial_backoff, spec.retry.max_backoff
    if initial > longest:
        yield Problem(
            "spec.retry.maxBackoff",
            str(longest),
            f"shorter than initialBackoff {initial}; write maxBackoff: {initial} or more, or initialBackoff: "
            f"{longest} or less",
        )
