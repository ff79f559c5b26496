"""What goes wrong on purpose: a seeded list of rules, and quirks of the data. YAML or JSON.

    seed: 1
    rules:                                   # the first rule that fires decides
      - match: {path: search, query: abcd, prefix: ab, offset: 0, client_id: me,     # all that are given must hold
                from_s: 5, until_s: 10,                         # seconds since the plan began
                attempts: 2,                                    # only the first 2 requests for one query and offset
                every: 10, probability: 0.01, first_n: 3}       # of those that match: each 10th, 1 %, 3 in all
        action: {status: 429, retry_after: "3", message: text, body: json,
                 stall_s: 2.5, stall_at: before,       # or inside: half of the answer, the stall, the rest
                 reset: true,                          # or close_after_read, or drop (never answered)
                 expire_tokens: true}
    quirks: {wobble_total: 7, clip_total: 1000, null_items: 0.01, missing_followers: 0.1, odd_names: 0.05}

path is search (the default), artist, api (both) or token. body is json, html, text, empty, no-items, invalid-json, cut
(the connection ends inside it) or QUOTA_EXCEEDED. retry_after is sent as it is written; `missing` sends none.
A key that it does not know is an error: a fault that silently never happens is a test that proves nothing.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Annotated, Any, Literal

import msgspec
import yaml

from crawl_sandbox.errors import FaultError

Seconds = Annotated[float, msgspec.Meta(ge=0, le=604_800)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Path = Literal["search", "artist", "token"]


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which requests a rule is for."""

    path: Literal["search", "artist", "api", "token"] = "search"
    query: str | None = None
    prefix: str | None = None
    offset: int | None = None
    client_id: str | None = None
    every: Annotated[int, msgspec.Meta(ge=1)] | None = None
    probability: Share | None = None
    from_s: Seconds = 0.0
    until_s: Seconds | None = None
    first_n: Annotated[int, msgspec.Meta(ge=1)] | None = None
    attempts: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What happens to a request instead of, or around, its true answer."""

    status: Annotated[int, msgspec.Meta(ge=200, le=599)] | None = None
    message: str | None = None
    retry_after: str | int | None = None
    body: Literal["json", "html", "text", "empty", "no-items", "invalid-json", "cut", "QUOTA_EXCEEDED"] = "json"
    stall_s: Seconds = 0.0
    stall_at: Literal["before", "inside"] = "before"
    reset: bool = False
    close_after_read: bool = False
    drop: bool = False
    expire_tokens: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be done together."""
        if self.reset + self.close_after_read + self.drop > 1:
            raise ValueError("give one of reset, close_after_read and drop")
        if self.retry_after is not None and self.status is None and self.body != "QUOTA_EXCEEDED":
            raise ValueError("retry_after needs a status: write status: 429 beside it")
        text = str(self.retry_after)
        if not (text.isascii() and text.isprintable()):
            raise ValueError("retry_after is a header: printable ASCII only")

    @property
    def unanswered(self) -> bool:
        """Whether the client never sees a status."""
        return self.reset or self.close_after_read or self.drop

    @property
    def retry_after_header(self) -> str | None:
        """The header to send, if any."""
        return None if self.retry_after in (None, "missing") else str(self.retry_after)


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One fault."""

    action: Action
    match: Match = Match()
    name: str = ""


class Quirks(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Oddities of the data: drawn by a hash of what they concern, so that they are the same in every run."""

    wobble_total: Annotated[int, msgspec.Meta(ge=0)] = 0
    clip_total: Annotated[int, msgspec.Meta(ge=1)] | None = None
    null_items: Share = 0.0
    missing_followers: Share = 0.0
    odd_names: Share = 0.0


class FaultPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All that goes wrong."""

    seed: int = 0
    rules: tuple[Rule, ...] = ()
    quirks: Quirks = Quirks()


NO_FAULTS = FaultPlan()


def parse_plan(text: str, *, origin: str) -> FaultPlan:
    """Read a plan from YAML or JSON."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise FaultError(f"{origin}: not readable as YAML or JSON: {error}") from error
    plan: FaultPlan = convert(document if document is not None else {}, FaultPlan, origin=origin)
    return plan


def convert(document: Any, kind: type[Any], *, origin: str) -> Any:
    """Check a document against one of the structures here. Raises FaultError that names the place."""
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        fields = ", ".join(kind.__struct_fields__)
        raise FaultError(f"{origin}: {error} ($ is the whole document, which may have: {fields})") from error


class Faults:
    """A fault plan at work: it counts what matched, and draws the random numbers."""

    def __init__(self, plan: FaultPlan, *, now_us: int) -> None:
        self.plan = plan
        self._began_us = now_us
        self._matched = [0] * len(plan.rules)
        self._fired = [0] * len(plan.rules)
        self._attempts: list[Counter[tuple[str, int]]] = [Counter() for _ in plan.rules]
        self._rng = random.Random(plan.seed)

    def decide(self, path: Path, query: str, offset: int, client_id: str, now_us: int) -> Action | None:
        """Return what happens to this request, or None when nothing does."""
        at_s = (now_us - self._began_us) / 1e6
        for number, rule in enumerate(self.plan.rules):
            match = rule.match
            if not _applies(match, path, query, offset, client_id, at_s):
                continue
            if match.attempts is not None:
                self._attempts[number][query, offset] += 1
                if self._attempts[number][query, offset] > match.attempts:
                    continue
            self._matched[number] += 1
            if match.every is not None and self._matched[number] % match.every:
                continue
            if match.first_n is not None and self._fired[number] >= match.first_n:
                continue
            if match.probability is not None and self._rng.random() >= match.probability:
                continue
            self._fired[number] += 1
            return rule.action
        return None

    def report(self) -> list[dict[str, Any]]:
        """Return how often each rule matched and fired."""
        counts = zip(self.plan.rules, self._matched, self._fired, strict=True)
        return [{"name": rule.name, "matched": matched, "fired": fired} for rule, matched, fired in counts]


def _applies(match: Match, path: Path, query: str, offset: int, client_id: str, at_s: float) -> bool:
    if match.path != path and not (match.path == "api" and path != "token"):
        return False
    if match.query is not None and match.query != query:
        return False
    if match.prefix is not None and not query.startswith(match.prefix):
        return False
    if match.offset is not None and match.offset != offset:
        return False
    if match.client_id is not None and match.client_id != client_id:
        return False
    return match.from_s <= at_s and (match.until_s is None or at_s < match.until_s)
