"""How steps become one batch."""

from __future__ import annotations

from crawl_core.values.rows import ArtistRow, Cursor, DeadLetterRow, RangeRow, RequestRow, SearchRow
from crawl_worker.crawl.steps import RangeStep, artist_rows, batch_of, buried, merged
from crawl_worker.sources.outcomes import FoundArtist

ROW = RangeRow(
    id=3, run_id=1, length=2, first="aa", last="az", cursor=Cursor("aa"), fence=5, state="open", counts_coverage=True
)
REQUEST = RequestRow(
    at_us=1, string="aa", page_offset=0, page_size=50, status=200, outcome="ok", duration_s=0.1, worker="w"
)
SEARCH = SearchRow(string="aa", pages=1, total=0, truncated=False, results=0, finished_at_us=1)


def _artist(artist_id: str, **values: object) -> ArtistRow:
    known: dict[str, object] = dict.fromkeys(("popularity", "followers", "genres", "images"))
    known |= {"name": "N", "first_query": "aa", "seen_at_us": 1}
    return ArtistRow(id=artist_id, **(known | values))  # type: ignore[arg-type]


def test_a_batch_ends_where_its_last_step_ended_and_counts_one_more_commit() -> None:
    steps = [
        RangeStep("aa", Cursor("ab"), [REQUEST], search=SEARCH, covered=1),
        RangeStep("ab", Cursor("ac"), [REQUEST], covered=1),
    ]
    batch = batch_of(steps, row=ROW, owner="me", fence=5, expected=Cursor("aa", batch=7))
    assert (batch.cursor, batch.expected.batch) == (Cursor("ac", batch=8), 7)
    assert (len(batch.requests), batch.searches, batch.counters.requests, batch.counters.covered) == (2, [SEARCH], 2, 2)


def test_the_end_of_a_range_is_a_batch_without_a_cursor() -> None:
    assert batch_of([RangeStep("az", None)], row=ROW, owner="me", fence=5, expected=Cursor("az")).cursor is None


def test_what_a_page_found_is_stored_with_its_query_and_its_time() -> None:
    images = [{"url": "u"}]
    found = FoundArtist("x", "X", popularity=1, followers=2, genres=["pop"], images=images)
    assert artist_rows([found], string="aa", seen_at_us=7) == [
        ArtistRow(
            id="x",
            name="X",
            popularity=1,
            followers=2,
            genres=["pop"],
            images=images,
            first_query="aa",
            seen_at_us=7,
        )
    ]


def test_an_artist_twice_in_a_batch_is_one_row_with_its_first_query() -> None:
    rows = merged([_artist("x", first_query="aa", popularity=1), _artist("x", first_query="ab", popularity=2)])
    assert [(row.id, row.first_query, row.popularity) for row in rows] == [("x", "aa", 2)]


def test_a_field_missing_later_does_not_hide_the_earlier_value() -> None:
    rows = merged([_artist("x", followers=9, genres=["rock"]), _artist("x", popularity=2)])
    assert [(row.followers, row.genres, row.popularity) for row in rows] == [(9, ["rock"], 2)]


def test_a_string_given_up_keeps_its_requests_and_loses_its_artists() -> None:
    letter = DeadLetterRow(string="aa", reason="r", attempts=1, last_error="e", at_us=1)
    step = RangeStep("aa", Cursor("aa", offset=50), [REQUEST], artists=[_artist("x")], search=SEARCH, retries=2)
    end = buried(step, dead_letter=letter, after=Cursor("ab"), covered=1)
    assert (end.cursor, end.requests, end.artists, end.search) == (Cursor("ab"), [REQUEST], [], None)
    assert (end.dead_letter, end.covered, end.retries) == (letter, 1, 2)
