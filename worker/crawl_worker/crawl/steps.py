"""What a range has gained since its last commit, step by step, and how steps become one batch. Pure.

A step is one request and what followed from it. Steps are kept apart until the commit, so that a batch that the
ledger refuses for its data can be halved down to the culprit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from crawl_core.values.rows import (
    ArtistRow,
    Batch,
    ChildRange,
    Counters,
    Cursor,
    DeadLetterRow,
    RangeRow,
    RequestRow,
    SearchRow,
)
from crawl_worker.sources.outcomes import FoundArtist


@dataclass(slots=True)
class RangeStep:
    """One request's gain. `cursor` is where the range stands after it, None at its end."""

    string: str
    cursor: Cursor | None
    requests: list[RequestRow] = field(default_factory=list)
    artists: list[ArtistRow] = field(default_factory=list)
    search: SearchRow | None = None
    dead_letter: DeadLetterRow | None = None
    child: ChildRange | None = None
    covered: int = 0
    retries: int = 0
    rate_limited: int = 0

    @property
    def size(self) -> int:
        """Rows that this step writes."""
        return len(self.artists) + len(self.requests) + 1


def batch_of(steps: Sequence[RangeStep], *, row: RangeRow, owner: str, fence: int, expected: Cursor) -> Batch:
    """One batch of consecutive steps of a range that stands at `expected`."""
    last = steps[-1].cursor
    return Batch(
        run_id=row.run_id,
        range_id=row.id,
        owner=owner,
        fence=fence,
        expected=expected,
        cursor=None if last is None else msgspec.structs.replace(last, batch=expected.batch + 1),
        searches=[step.search for step in steps if step.search is not None],
        artists=merged(artist for step in steps for artist in step.artists),
        requests=[request for step in steps for request in step.requests],
        dead_letters=[step.dead_letter for step in steps if step.dead_letter is not None],
        children=[step.child for step in steps if step.child is not None],
        counters=Counters(
            requests=sum(len(step.requests) for step in steps),
            retries=sum(step.retries for step in steps),
            rate_limited=sum(step.rate_limited for step in steps),
            covered=sum(step.covered for step in steps),
        ),
    )


def artist_rows(artists: Iterable[FoundArtist], *, string: str, seen_at_us: int) -> list[ArtistRow]:
    """What a page of a string brought, as rows: `string` becomes the first query where the artist is new."""
    return [
        ArtistRow(
            artist.id,
            artist.name,
            artist.popularity,
            artist.followers,
            artist.genres,
            artist.images,
            string,
            seen_at_us,
        )
        for artist in artists
    ]


def merged(artists: Iterable[ArtistRow]) -> list[ArtistRow]:
    """One row an artist: the newest values that are there, the first query. Twice an id would fail the statement."""
    by_id: dict[str, ArtistRow] = {}
    for artist in artists:
        earlier = by_id.get(artist.id)
        by_id[artist.id] = artist if earlier is None else _newer(earlier, artist)
    return list(by_id.values())


def _newer(earlier: ArtistRow, later: ArtistRow) -> ArtistRow:
    return msgspec.structs.replace(
        later,
        popularity=earlier.popularity if later.popularity is None else later.popularity,
        followers=earlier.followers if later.followers is None else later.followers,
        genres=earlier.genres if later.genres is None else later.genres,
        images=earlier.images if later.images is None else later.images,
        first_query=earlier.first_query,
    )


def buried(step: RangeStep, *, dead_letter: DeadLetterRow, after: Cursor | None, covered: int) -> RangeStep:
    """What becomes of a step whose string is given up: `after` is where the range goes on behind that string."""
    return RangeStep(
        string=step.string,
        cursor=after,
        requests=step.requests,
        dead_letter=dead_letter,
        covered=covered,
        retries=step.retries,
        rate_limited=step.rate_limited,
    )
