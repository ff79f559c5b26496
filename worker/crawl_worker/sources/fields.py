"""The fields that are stored of an artist: what each may be, and what is made of one that came as something else.

A field that is only stored never costs its artist, and an artist never its page: `followers.total` was `1000.0` for
weeks once. So each field is read by itself. What cannot be read is left out, and the value that the ledger has stays.
The bounds are what the ledger's columns take, and what a page may cost. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, TypeGuard, TypeVar

import msgspec
from msgspec import Meta

from crawl_core.metrics.labels import AnswerField
from crawl_core.text import clean, storable
from crawl_worker.sources.outcomes import FoundArtist, UnreadableField

T = TypeVar("T")

SMALLINT_MAX = 2**15 - 1
INTEGER_MAX = 2**31 - 1
BIGINT_MAX = 2**63 - 1
ID_CHARACTERS = 128
"""Spotify's have 22; PostgreSQL indexes about 2,700 bytes."""
NAME_CHARACTERS = 1_000
"""The longest of 3.1 million names had 389. Of a longer one the beginning is stored."""
GENRES = 100
GENRE_CHARACTERS = 200
IMAGES = 20
URL_CHARACTERS = 2_000

_EXAMPLE_CHARACTERS = 60
_WHOLE_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)

Integer = Annotated[int, Meta(ge=0, le=INTEGER_MAX)]


class Followers(msgspec.Struct, gc=False):
    """As it is when all is well."""

    total: Annotated[int, Meta(ge=0, le=BIGINT_MAX)] | None = None


class Image(msgspec.Struct, omit_defaults=True, gc=False):
    """As it is when all is well, and as it is stored."""

    url: Annotated[str, Meta(max_length=URL_CHARACTERS)] | None = None
    height: Integer | None = None
    width: Integer | None = None


class Artist(msgspec.Struct):
    """As it is when all is well."""

    id: Annotated[str, Meta(max_length=ID_CHARACTERS)]
    name: Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS)]
    popularity: Annotated[int, Meta(ge=0, le=SMALLINT_MAX)] | None = None
    followers: Followers | None = None
    genres: (
        Annotated[list[Annotated[str, Meta(min_length=1, max_length=GENRE_CHARACTERS)]], Meta(max_length=GENRES)] | None
    ) = None
    images: Annotated[list[Image], Meta(max_length=IMAGES)] | None = None


def is_id(value: object) -> TypeGuard[str]:
    """Whether it names one artist: a short text of visible characters, none of which was replaced."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= ID_CHARACTERS
        and value.isprintable()
        and "\N{REPLACEMENT CHARACTER}" not in value
    )


class FieldReader:
    """Reads the fields of one page one by one, and remembers what it had to leave out, once for each artist.

    null, and a field that is not there, are the same everywhere, and nothing to remember where only a value is missing.
    """

    def __init__(self) -> None:
        self.unreadable: list[UnreadableField] = []
        self._left_out: set[AnswerField] = set()

    def artist(self, item: object) -> FoundArtist | None:
        """An entry of a page; None where it names nobody."""
        self._left_out.clear()
        if not isinstance(item, dict):
            if item is not None:
                self._leave_out(AnswerField.ITEM, item)
            return None
        artist_id, name = item.get("id"), self._name(item.get("name"))
        if not is_id(artist_id):
            self._leave_out(AnswerField.ID, artist_id)
            return None
        if not name:
            return None
        return FoundArtist(
            artist_id,
            name,
            self.number(item.get("popularity"), AnswerField.POPULARITY, most=SMALLINT_MAX),
            self._followers(item.get("followers")),
            self._list(item.get("genres"), AnswerField.GENRES, most=GENRES, read=_genre),
            self._list(item.get("images"), AnswerField.IMAGES, most=IMAGES, read=self._image),
        )

    def number(self, value: object, field: AnswerField, *, most: int, least: int = 0) -> int | None:
        """A whole number from `least` to `most`, also where it came as 1000.0, 1e3 or "1000"."""
        number = _whole(value)
        if number is not None and least <= number <= most:
            return number
        if value is not None:
            self._leave_out(field, value)
        return None

    def _name(self, value: object) -> str:
        """A name, empty where there is none. A whole number is one, too: there is a band called 311."""
        name = str(value) if type(value) is int else value
        if not isinstance(name, str) or not name:
            self._leave_out(AnswerField.NAME, value)
            return ""
        if len(name) > NAME_CHARACTERS:
            self._leave_out(AnswerField.NAME, value)
            name = name[: NAME_CHARACTERS - 1] + "…"
        return storable(name)

    def _followers(self, value: object) -> int | None:
        if isinstance(value, dict):
            return self.number(value.get("total"), AnswerField.FOLLOWERS, most=BIGINT_MAX)
        if value is not None:
            self._leave_out(AnswerField.FOLLOWERS, value)
        return None

    def _list(
        self, value: object, field: AnswerField, *, most: int, read: Callable[[object], T | None]
    ) -> list[T] | None:
        """What can be read of the first `most` entries. None where that is nothing, so that a stored list stays."""
        if value is None:
            return None
        if not isinstance(value, list):
            self._leave_out(field, value)
            return None
        entries = [entry for entry in value[:most] if entry is not None and entry != ""]
        readable = [(entry, read(entry)) for entry in entries]
        kept = [made for _, made in readable if made is not None]
        odd = [entry for entry, made in readable if made is None] + value[most : most + 1]
        if odd:
            self._leave_out(field, odd[0])
        return None if odd and not kept else kept

    def _image(self, value: object) -> Image | None:
        if not isinstance(value, dict):
            return None
        url = value.get("url")
        if url is not None and not (isinstance(url, str) and len(url) <= URL_CHARACTERS):
            return None
        return Image(
            None if url is None else storable(url),
            self.number(value.get("height"), AnswerField.IMAGES, most=INTEGER_MAX),
            self.number(value.get("width"), AnswerField.IMAGES, most=INTEGER_MAX),
        )

    def _leave_out(self, field: AnswerField, value: object) -> None:
        if field not in self._left_out:
            self._left_out.add(field)
            self.unreadable.append(UnreadableField(field, _example(value)))


def _whole(value: object) -> int | None:
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def _genre(value: object) -> str | None:
    return storable(value) if isinstance(value, str) and len(value) <= GENRE_CHARACTERS else None


def _example(value: object) -> str:
    """A value as one short line: what it is, where it is long to say."""
    match value:
        case str():
            return f'"{clean(value, _EXAMPLE_CHARACTERS)}"'
        case list():
            return "a list"
        case dict():
            return "an object"
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)
