"""The bodies of answers: artists, pages of them, and errors, in the shapes of the real API.

No answer is cached: of a crawl's answers 96 % are empty, and the others are rarely asked for twice. Which answer is due
is decided in `app`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from json.encoder import encode_basestring, encode_basestring_ascii
from urllib.parse import quote_plus

from crawl_sandbox.catalogue import Catalogue
from crawl_sandbox.faults import Quirks
from crawl_sandbox.matching import SearchResult
from crawl_sandbox.search import Mode, SearchCall

JSON = b"application/json; charset=utf-8"
_ODD_SUFFIXES = ("\u0000", "\ud800", "\udfff")
_PICTURES = ((640, "e5eb"), (320, "5174"), (160, "f178"))


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """A status, a body and what the headers must say about them."""

    status: int
    body: bytes
    content_type: bytes = JSON
    retry_after: str | None = None


def error(status: int, message: str, *, reason: str | None = None, retry_after: str | None = None) -> ApiAnswer:
    """Return an error in the shape of the Web API."""
    detail: dict[str, object] = {"status": status, "message": message}
    if reason is not None:
        detail["reason"] = reason
    return ApiAnswer(status, json.dumps({"error": detail}).encode(), retry_after=retry_after)


def token_error(status: int, code: str, description: str) -> ApiAnswer:
    """Return an error in the shape of the token endpoint, which is another one."""
    return ApiAnswer(status, json.dumps({"error": code, "error_description": description}).encode())


def token(text: str, ttl_s: float) -> ApiAnswer:
    """Return a client credentials grant."""
    return ApiAnswer(
        200,
        json.dumps({"access_token": text, "token_type": "Bearer", "expires_in": round(ttl_s)}).encode(),
    )


@dataclass(slots=True)
class Renderer:
    """Artists of one catalogue as JSON, in the present mode and with the present quirks."""

    catalogue: Catalogue
    mode: Mode
    quirks: Quirks
    seed: int

    def artist(self, rank: int, base: str) -> str:
        """Return one ArtistObject."""
        catalogue = self.catalogue
        artist_id = catalogue.ids[rank]
        popularity = catalogue.popularity[rank]
        genres = json.dumps(catalogue.genres[rank]) if catalogue.genres[rank] else "[]"
        followers = f'"followers":{{"href":null,"total":{self._followers(rank)}}},'
        popular = f'"popularity":{popularity},'
        if self.mode == "development":
            followers = popular = ""
        elif self._odds("followers", artist_id) < self.quirks.missing_followers:
            followers = ""
        return (
            f'{{"external_urls":{{"spotify":"https://open.spotify.com/artist/{artist_id}"}},{followers}'
            f'"genres":{genres},"href":"{base}/v1/artists/{artist_id}","id":"{artist_id}",'
            f'"images":{_images(artist_id, popularity)},"name":{self._name(rank)},{popular}'
            f'"type":"artist","uri":"spotify:artist:{artist_id}"}}'
        )

    def page(self, call: SearchCall, result: SearchResult, base: str) -> ApiAnswer:
        """Return one page of a search; of `next`, it matters only whether there is one."""
        offset, limit = call.offset or 0, call.limit or 1
        href = f"{base}/v1/search?query={quote_plus(call.query, errors='replace')}&type=artist"
        if call.market:
            href += f"&market={call.market}"
        total = self._total(call.query, offset, limit, result.total)
        more = f'"{href}&offset={offset + limit}&limit={limit}"' if offset + limit < total else "null"
        less = f'"{href}&offset={max(0, offset - limit)}&limit={limit}"' if offset else "null"
        ranks = result.ranks[offset : offset + limit]
        items = ",".join(self._items(call.query, ranks, base)) if ranks else ""
        return ApiAnswer(
            200,
            f'{{"artists":{{"href":"{href}&offset={offset}&limit={limit}","items":[{items}],"limit":{limit},'
            f'"next":{more},"offset":{offset},"previous":{less},"total":{total}}}}}'.encode(),
        )

    def _items(self, query: str, ranks: object, base: str) -> Iterator[str]:
        share = self.quirks.null_items
        for rank in ranks:  # type: ignore[attr-defined]
            if share and self._odds("null", query + self.catalogue.ids[rank]) < share:
                yield "null"
            else:
                yield self.artist(rank, base)

    def _name(self, rank: int) -> str:
        name = self.catalogue.names[rank]
        if self.quirks.odd_names:
            drawn = self._odds("odd", self.catalogue.ids[rank])
            if drawn < self.quirks.odd_names:
                # Behind the name, and no letter: it is found by the same words as without it.
                return encode_basestring_ascii(name + _ODD_SUFFIXES[rank % len(_ODD_SUFFIXES)])
        return encode_basestring(name)

    def _followers(self, rank: int) -> int:
        known = self.catalogue.followers[rank]
        if known >= 0:
            return known
        return int(10 ** (self.catalogue.popularity[rank] / 14)) + zlib.crc32(self.catalogue.ids[rank].encode()) % 97

    def _total(self, query: str, offset: int, limit: int, true: int) -> int:
        """Return the total this page claims. A wobble may promise a page too many, never one too few."""
        total = true
        if self.quirks.wobble_total:
            span = 2 * self.quirks.wobble_total + 1
            shift = int(self._odds("total", f"{query}:{offset}") * span) - self.quirks.wobble_total
            total = max(true + shift, min(true, offset + limit + 1))
        return total if self.quirks.clip_total is None else min(total, self.quirks.clip_total)

    def _odds(self, kind: str, what: str) -> float:
        """Return a number in [0, 1) that depends on nothing but the seed and what it is about."""
        return zlib.crc32(f"{kind}:{self.seed}:{what}".encode("utf-8", "replace")) / 2**32


def _images(artist_id: str, popularity: int) -> str:
    """Return pictures with made-up addresses; half of the unknown artists have none."""
    drawn = zlib.crc32(artist_id.encode())
    if popularity == 0 and drawn % 2:
        return "[]"
    return (
        "["
        + ",".join(
            f'{{"height":{size},"url":"https://i.scdn.co/image/ab6761610000{kind}{drawn:024x}","width":{size}}}'
            for size, kind in _PICTURES
        )
        + "]"
    )
