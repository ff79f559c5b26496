"""What a search request asks for, and whether the API would take it. The shapes are in the real API's words.

Only the query string is read here; `matching` looks it up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl

from crawl_sandbox.matching import REACHABLE, UnsupportedFilterError, query_words

Mode = Literal["extended", "development"]
LARGEST_PAGE: dict[Mode, int] = {"extended": 50, "development": 10}
DEFAULT_PAGE: dict[Mode, int] = {"extended": 20, "development": 5}


@dataclass(slots=True)
class SearchCall:
    """One search, as far as it could be read; `problem` is the 400's message when it could not."""

    query: str = ""
    words: tuple[str, ...] = ()
    offset: int | None = None
    limit: int | None = None
    market: str = ""
    problem: str | None = None


def read_search(query_string: bytes, mode: Mode) -> SearchCall:
    """Read the query string of GET /v1/search. `query` means `q`, because `href` and `next` say so."""
    text = query_string.decode("ascii", "replace")
    if "%" in text or "+" in text:
        fields = dict(parse_qsl(text, keep_blank_values=True, errors="replace"))
    else:
        fields = dict(part.partition("=")[::2] for part in text.split("&"))
    call = SearchCall(query=fields.get("q") or fields.get("query", ""), market=fields.get("market", ""))
    call.limit = _number(fields.get("limit"), DEFAULT_PAGE[mode])
    call.offset = _number(fields.get("offset"), 0)
    call.problem = _problem(call, fields, mode)
    return call


def _number(text: str | None, default: int) -> int | None:
    if text is None:
        return default
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _problem(call: SearchCall, fields: dict[str, str], mode: Mode) -> str | None:
    """Return why the API refuses the call, or None. Fills in the words of the query."""
    try:
        call.words = query_words(call.query)
    except UnsupportedFilterError as error:
        return f"Unsupported filter {error}: (this sandbox knows artist: only)"
    kind = fields.get("type")
    if not call.words:
        return "No search query"
    if kind is None:
        return "Missing parameter type"
    if kind != "artist":
        return f"Bad search type field {kind} (this sandbox has type=artist only)"
    if call.limit is None or not 1 <= call.limit <= LARGEST_PAGE[mode]:
        return "Invalid limit"
    if call.offset is None or call.offset > REACHABLE:
        return "Invalid offset"
    if call.offset + call.limit > REACHABLE:
        return "Bad request"
    if call.market and not (len(call.market) == 2 and call.market.isalpha()):
        return "Invalid market code"
    return None
