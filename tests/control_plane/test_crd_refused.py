"""What `artistcrawl run` refuses, an API server refuses too, and its message says what to write."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from crawl_core.errors import SpecError
from crawl_core.spec import crawljob_of
from crawl_core.spec.documents import read_documents

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[1] / "unit" / "invalid_crawljobs.yaml").read_text()
)
HEADER = "apiVersion: artistcrawl.dev/v1alpha1\nkind: CrawlJob\nmetadata: {name: test}\nspec:\n"

# An API server takes null for absent (server-side apply refuses it), and has rules of its own for metadata.
HARMLESS = {
    "keyspace with nothing below it",
    "window null",
    "bucketName null",
    "spec with nothing below it",
    "no name",
    "a label's name that YAML reads as a truth value",
}
SAYS_WHAT_IS_ACCEPTED = re.compile(
    r"write |must be of type|supported values|should be (greater|less) than|should be at least|may not be more than|"
    r"Required value|unknown field|must be CrawlJob|must consist of|into Go struct field .* of type string|"
    r"does not match the expected API version"
)
# Names in a map are no fields to an API server; it names the map.
FIELD_OF_MAP = re.compile(r"\[\"[^]]*\]$")

Refusal = Callable[[Any], str]


def document_of(case: dict[str, Any]) -> Any:
    """What kubectl would send; None where it would not get that far."""
    text = case["file"] if "file" in case else HEADER + "".join(f"  {line}\n" for line in case["spec"].splitlines())
    try:
        documents = read_documents(text, origin="crawljob.yaml")
    except SpecError:
        return None
    data = documents[0].data if len(documents) == 1 and not documents[0].problems else None
    return data if isinstance(data, dict) and data.get("kind") and data.get("metadata", {}) is not None else None


OF_THE_OPERATOR = "spec.keyspace.rangeSize"
"""How many ranges it makes is computed by the code alone; the CRD has its bounds."""
SENT = [case for case in CASES if document_of(case) is not None]
REFUSED = [case for case in SENT if case["name"] not in HARMLESS and "write rangeSize" not in case["says"]]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["name"])
def test_an_invalid_crawljob_is_refused_with_the_field_and_what_it_accepts(
    case: dict[str, Any], refusal: Refusal
) -> None:
    message = refusal(document_of(case))
    assert SAYS_WHAT_IS_ACCEPTED.search(message), message
    named = FIELD_OF_MAP.sub("", case["path"])
    assert named in message or "unmarshal" in message or "expected int" in message or "API version" in message, message


@pytest.mark.parametrize("case", [case for case in SENT if case["name"] in HARMLESS], ids=lambda case: case["name"])
def test_what_an_api_server_takes_for_absent_is_harmless(case: dict[str, Any], refusal: Refusal) -> None:
    assert refusal(document_of(case)) == ""


def test_the_table_is_used_to_more_than_a_hundred_cases() -> None:
    assert len(REFUSED) > 100


# --- The two sets of rules are one ------------------------------------------------------------------------------------


def some_spec(chance: random.Random) -> dict[str, Any]:
    """A spec whose fields are each valid, and which may or may not go together."""
    letters = "".join(sorted(chance.sample("0123abz", chance.randint(1, 4))))
    short, long = chance.choice([(1, 1), (2, 2), (2, 2), (3, 3), (4, 4), (4, 4), (8, 8), (1, 4), (4, 2)])
    keyspace: dict[str, Any] = {"minLength": short, "maxLength": long}
    if chance.random() < 0.8:
        keyspace["alphabet"] = letters
    for bound in ("first", "last"):
        if chance.random() < 0.4:
            size = chance.choice([short] * 9 + [3])
            keyspace[bound] = "".join(chance.choice(letters + chance.choice([""] * 15 + ["q"])) for _ in range(size))
    if chance.random() < 0.4:
        keyspace["rangeSize"] = chance.choice([1, 2, 7, 20_000, 28_211_098, 28_211_099])
    kind = chance.choice(["Sandbox", "Spotify"])
    source: dict[str, Any] = {"type": kind}
    if chance.random() < 0.6:
        source["termsAccepted"] = chance.random() < 0.9
    if chance.random() < (0.6 if kind == "Spotify" else 0.1):
        source["spotify"] = {"termsAccepted": True} if chance.random() < 0.9 else {}
    for place in (source, source.get("spotify", {})):
        if chance.random() < 0.3:
            place["market"] = chance.choice(["SE", "SE", "SE", "NL"])
    if chance.random() < 0.9:
        source["credentialsSecretRef"] = {"name": "spotify"}
    urls = [
        "https://a.example/v1",
        "http://127.0.0.1:80",
        "http://localhost",
        "http://a.example:99999",
        "http://[::1]/",
    ]
    if chance.random() < 0.3:
        source[chance.choice(["baseURL", "tokenURL"])] = chance.choice(urls)
    return {
        "keyspace": keyspace,
        "source": source,
        "rateLimit": {"bucket": chance.choice(["Credential", "Credential", "Job", "Job", "Node"])},
        "retry": {
            "initialBackoff": chance.choice(["100ms", "100ms", "60s", "1h"]),
            "maxBackoff": chance.choice(["1m", "60m", "60m"]),
        },
        "workers": {"min": chance.choice([1] * 9 + [8, 9]), "tolerations": [some_toleration(chance)]},
    }


def some_toleration(chance: random.Random) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "key": "spot",
        "operator": "Exists",
        "value": "yes",
        "effect": "NoExecute",
        "tolerationSeconds": 9,
    }
    kept = {"key": 0.95, "operator": 0.2, "value": 0.3, "effect": 0.95, "tolerationSeconds": 0.5}
    return {name: value for name, value in fields.items() if chance.random() < kept[name]}


@pytest.mark.parametrize("seed", range(8))
def test_any_spec_is_refused_by_both_or_by_neither(seed: int, refusal: Refusal) -> None:
    chance, accepted = random.Random(seed), 0
    for _ in range(100):
        document = {**yaml.safe_load(HEADER), "spec": some_spec(chance)}
        try:
            crawljob_of(document, origin="it")
            problems = ""
        except SpecError as error:
            if all(problem.path == OF_THE_OPERATOR for problem in error.problems):
                continue
            problems = str(error)
        message = refusal(document)
        assert bool(message) == bool(problems), f"{document}\n{problems}\n{message}"
        accepted += not message
    assert 10 <= accepted <= 90
