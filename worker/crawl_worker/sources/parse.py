"""Decodes a page of artists. Only stored fields are declared, so nothing else is read.

PostgreSQL stores neither NUL nor half a surrogate pair, and one of them would fail a whole batch, so both become
U+FFFD here. An item without an id or a name is counted and not stored. Pure.
"""

from __future__ import annotations

import msgspec

from crawl_worker.sources.json_body import BYTE_ORDER_MARK, InvalidBodyError, storable_json
from crawl_worker.sources.outcomes import FoundArtist, Page


class _Followers(msgspec.Struct):
    total: int | None = None


class _Image(msgspec.Struct, omit_defaults=True):
    url: str | None = None
    height: int | None = None
    width: int | None = None


class _Artist(msgspec.Struct):
    id: str | None = None
    name: str | None = None
    popularity: int | None = None
    followers: _Followers | None = None
    genres: list[str | None] | None = None
    images: list[_Image | None] | None = None


class _Artists(msgspec.Struct):
    items: list[_Artist | None]
    total: int | None = None
    next: str | None = None
    limit: int | None = None
    offset: int | None = None


class _Body(msgspec.Struct):
    artists: _Artists


_decoder = msgspec.json.Decoder(_Body)


def parse_page(body: bytes, *, offset: int, limit: int) -> Page:
    """One search page as the loop needs it, of a request for `limit` items from the `offset`th on.

    Raises InvalidBodyError for a body of another shape, or of another page.
    """
    try:
        page = _decoder.decode(storable_json(body.removeprefix(BYTE_ORDER_MARK))).artists
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidBodyError(str(error)) from error
    items = page.items
    if len(items) > limit:
        raise InvalidBodyError(f"the page has {len(items)} items, and {limit} were asked for")
    if page.offset is not None and page.offset != offset:
        raise InvalidBodyError(f"the page begins at offset {page.offset}, and {offset} was asked for")
    if not items:
        return Page(0, page.total, bool(page.next), [], page.limit, page.offset)
    artists = [_found(item) for item in items if item is not None and item.id and item.name]
    return Page(len(items), page.total, bool(page.next), artists, page.limit, page.offset)


def _found(item: _Artist) -> FoundArtist:
    return FoundArtist(
        item.id or "",
        item.name or "",
        item.popularity,
        item.followers.total if item.followers else None,
        None if item.genres is None else [genre for genre in item.genres if genre],
        None if item.images is None else [image for image in item.images if image],
    )
