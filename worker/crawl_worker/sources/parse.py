"""Decodes a page of artists. Pure.

An answer that is as it should be is decoded at once, by its type; nothing but what is stored is read of it. Any other
is read field by field. Either way these rules hold:

- every entry counts; those that have an id and a name are artists;
- a page of several entries, none of which looks like an artist, is no answer;
- a stored field that cannot be read is left out, and the page tells it (`unreadable`);
- more items than were asked for, or a page of another offset, are no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from crawl_core.metrics.labels import AnswerField
from crawl_worker.sources.fields import INTEGER_MAX, Artist, FieldReader, Integer, is_id
from crawl_worker.sources.json_body import BYTE_ORDER_MARK, InvalidBodyError, decode, storable_json
from crawl_worker.sources.outcomes import FoundArtist, Page

_USUAL_ITEM_BYTES = 2_500
"""Twice what an artist takes. Below that much for each item, no page is dear to build."""


class _Artists(msgspec.Struct):
    items: list[Artist | None]
    total: Integer | None = None
    next: str | None = None
    limit: Annotated[int, Meta(ge=1, le=INTEGER_MAX)] | None = None
    offset: Integer | None = None


class _Body(msgspec.Struct):
    artists: _Artists


_decoder = msgspec.json.Decoder(_Body)


def parse_page(body: bytes, *, offset: int, limit: int) -> Page:
    """One search page as the loop needs it, of a request for `limit` items from the `offset`th on.

    Raises InvalidBodyError for a body of another shape, or of another page.
    """
    body = storable_json(body).removeprefix(BYTE_ORDER_MARK)
    if len(body) > limit * _USUAL_ITEM_BYTES:
        _refuse_too_many(body, limit=limit)
    page = _decode_at_once(body, limit=limit) or _read_field_by_field(body, limit=limit)
    if page.offset is not None and page.offset != offset:
        raise InvalidBodyError(f"the page begins at offset {page.offset}, and {offset} was asked for")
    return page


def _decode_at_once(body: bytes, *, limit: int) -> Page | None:
    """The page of a body that is as it should be; None for any other one."""
    try:
        page = _decoder.decode(body).artists
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    _check_count(page.items, limit=limit)
    if not page.items:
        return Page(0, page.total, bool(page.next), [], page.limit, page.offset)
    artists = [_found(item) for item in page.items if item is not None]
    if not all(is_id(artist.id) for artist in artists):
        return None
    said_limit = _credible(page.limit, count=len(page.items))
    return Page(len(page.items), page.total, bool(page.next), artists, said_limit, page.offset)


def _found(item: Artist) -> FoundArtist:
    followers = item.followers.total if item.followers else None
    return FoundArtist(item.id, item.name, item.popularity, followers, item.genres, item.images)


def _read_field_by_field(body: bytes, *, limit: int) -> Page:
    whole = decode(body)
    page = whole.get("artists") if isinstance(whole, dict) else None
    if not isinstance(page, dict):
        raise InvalidBodyError("it has no object named artists")
    reader = FieldReader()
    total = reader.number(page.get("total"), AnswerField.TOTAL, most=INTEGER_MAX)
    items = _items_of(page, total=total)
    _check_count(items, limit=limit)
    said_limit = reader.number(page.get("limit"), AnswerField.LIMIT, least=1, most=INTEGER_MAX)
    said_offset = reader.number(page.get("offset"), AnswerField.OFFSET, most=INTEGER_MAX)
    artists = [artist for item in items if (artist := reader.artist(item)) is not None]
    entries = [item for item in items if item is not None]
    # One odd entry may be alone on its page; several are the API's doing.
    if len(entries) > 1 and not any(map(_is_like_an_artist, entries)):
        raise InvalidBodyError(f"none of the page's {len(entries)} items has an id and a name")
    return Page(
        len(items),
        total,
        bool(page.get("next")),
        artists,
        _credible(said_limit, count=len(items)),
        said_offset,
        reader.unreadable,
    )


def _is_like_an_artist(item: object) -> bool:
    """Whether it has an id and a name, though they may be none that can be used."""
    return isinstance(item, dict) and isinstance(item.get("id"), str) and isinstance(item.get("name"), str | int)


def _items_of(page: dict[str, Any], *, total: int | None) -> list[object]:
    """The page's items. None at all are an empty page where the total says so too."""
    items = page.get("items")
    if isinstance(items, list):
        return items
    if items is None and total == 0:
        return []
    raise InvalidBodyError("its artists have no list of items")


def _check_count(items: Sequence[object], *, limit: int) -> None:
    if len(items) > limit:
        raise InvalidBodyError(f"the page has {len(items)} items, and {limit} were asked for")


def _credible(limit: int | None, *, count: int) -> int | None:
    """The limit that a page says it has; none where it has more items than that."""
    return None if limit is None or limit < count else limit


def _refuse_too_many(body: bytes, *, limit: int) -> None:
    """Refuse a page of too many items before they are built. What is no JSON to msgspec is left to `decode`."""
    try:
        _counting_decoder(limit).decode(body)
    except msgspec.ValidationError as error:
        raise InvalidBodyError(f"it is no page of at most {limit} items: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass


@lru_cache(maxsize=64)
def _counting_decoder(limit: int) -> msgspec.json.Decoder[Any]:
    """Reads nothing but at most `limit` items, as they are: a struct ends at the first too many, a list does not."""
    places = [(f"item_{place}", msgspec.Raw, UNSET) for place in range(limit)]
    items = msgspec.defstruct("Items", places, array_like=True, forbid_unknown_fields=True)
    artists = msgspec.defstruct("Artists", [("items", items | None, None)])
    return msgspec.json.Decoder(msgspec.defstruct("Body", [("artists", artists)]))
