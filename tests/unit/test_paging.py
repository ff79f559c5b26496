"""When a string ends: one test for each rule that decides whether another page is asked for."""

from __future__ import annotations

import pytest

from crawl_worker.crawl.paging import AfterPage, Paging
from crawl_worker.sources.outcomes import FoundArtist, Page

SIZE = 50


def _page(count: int, total: int | None, *, has_next: bool = False, limit: int | None = None) -> Page:
    return Page(count, total, has_next, [FoundArtist(f"a{at}", "A") for at in range(count)], limit)


def _nobody(count: int, total: int | None, *, has_next: bool = False) -> Page:
    """Items that are null."""
    return Page(count, total, has_next, [])


def _paging(*, offset: int = 0, first_total: int | None = None, refinable: bool = False) -> Paging:
    return Paging(cap=1000, refinable=refinable, offset=offset, first_total=first_total)


def test_an_empty_first_page_ends_the_string() -> None:
    paging = _paging()
    assert paging.take(_page(0, 0), limit=SIZE) is AfterPage.END
    assert (paging.pages, paging.results, paging.truncated) == (1, 0, False)


def test_a_short_page_without_next_ends_the_string() -> None:
    assert _paging().take(_page(12, 12), limit=SIZE) is AfterPage.END


def test_a_short_page_with_next_goes_on_behind_what_came() -> None:
    paging = _paging()
    assert paging.take(_page(12, 80, has_next=True), limit=SIZE) is AfterPage.NEXT_PAGE
    assert paging.offset == 12


def test_a_full_page_without_next_goes_on_while_the_total_says_so() -> None:
    assert _paging().take(_page(50, 80), limit=SIZE) is AfterPage.NEXT_PAGE


def test_a_full_page_without_next_ends_the_string_where_the_total_is_reached() -> None:
    assert _paging().take(_page(50, 50), limit=SIZE) is AfterPage.END


def test_a_page_with_next_goes_on_even_beyond_the_total() -> None:
    assert _paging().take(_page(50, 50, has_next=True), limit=SIZE) is AfterPage.NEXT_PAGE


@pytest.mark.parametrize(("count", "has_next"), [(50, True), (50, False), (12, False)])
def test_without_a_total_next_alone_decides(count: int, has_next: bool) -> None:
    expected = AfterPage.NEXT_PAGE if has_next else AfterPage.END
    assert _paging().take(_page(count, None, has_next=has_next), limit=SIZE) is expected


def test_the_largest_total_counts_when_totals_wobble() -> None:
    paging = _paging(offset=50, first_total=140)
    assert paging.take(_page(50, 90), limit=SIZE) is AfterPage.NEXT_PAGE


def test_a_page_that_says_a_smaller_limit_is_full_with_as_many_items() -> None:
    paging = _paging()
    assert paging.take(_page(10, 120, limit=10), limit=SIZE) is AfterPage.NEXT_PAGE
    assert paging.offset == 10


@pytest.mark.parametrize("limit", [10, None, 0, 50, 500])
@pytest.mark.parametrize("has_next", [True, False])
def test_an_api_that_hands_out_ten_where_fifty_are_asked_for_is_read_to_its_end(
    limit: int | None, has_next: bool
) -> None:
    paging, seen = _paging(), 0
    while True:
        count = min(10, 120 - paging.offset)
        seen += count
        page = _page(count, 120, has_next=has_next and seen < 120, limit=limit)
        if paging.take(page, limit=SIZE) is AfterPage.END:
            break
    assert (seen, paging.pages, paging.offset) == (120, 12, 120)


@pytest.mark.parametrize("has_next", [True, False])
def test_an_api_that_hands_out_ten_is_read_up_to_the_cap(has_next: bool) -> None:
    paging = _paging()
    while paging.take(_page(10, 5000, has_next=has_next), limit=paging.limit(SIZE)) is not AfterPage.END:
        assert paging.offset + paging.limit(SIZE) <= 1000
    assert (paging.offset, paging.pages, paging.truncated) == (1000, 100, True)


def test_an_api_that_hands_out_one_at_a_time_for_ever_has_two_hundred_requests_of_a_string() -> None:
    paging = _paging()
    while paging.take(_page(1, 900, has_next=True), limit=SIZE) is not AfterPage.END:
        assert paging.pages < 200
    assert (paging.pages, paging.results, paging.truncated) == (200, 200, False)


def test_a_page_size_of_one_is_read_to_the_cap_all_the_same() -> None:
    paging = _paging()
    while paging.take(_page(1, 5000, has_next=True, limit=1), limit=paging.limit(1)) is not AfterPage.END:
        pass
    assert paging.pages == 1000


def test_a_short_page_without_next_that_says_of_more_is_followed_once() -> None:
    paging = _paging()
    assert paging.take(_page(12, 80), limit=SIZE) is AfterPage.NEXT_PAGE
    assert paging.lacks(_page(0, 80)) == 0
    assert paging.take(_page(0, 80), limit=SIZE) is AfterPage.END


def test_a_short_page_without_next_ends_the_string_where_its_total_is_little_too_high() -> None:
    assert _paging().take(_page(12, 21), limit=SIZE) is AfterPage.END


@pytest.mark.parametrize(
    ("offset", "first_total", "total", "has_next", "lacks"),
    [
        (0, None, 0, False, 0),
        (0, None, 0, True, 0),
        (0, None, 734, False, 734),
        (0, None, None, True, 1),
        (0, None, None, False, 1),
        (50, None, None, False, 0),
        (50, 140, 140, False, 90),
        (50, 140, 0, False, 90),
        (50, 140, None, False, 90),
        (50, 51, 51, False, 1),
        (50, 57, 50, False, 2),
        (50, 57, 52, True, 2),
        (50, 57, 53, True, 7),
        (50, 50, 50, True, 0),
        (990, 5000, 5000, False, 10),
    ],
)
def test_an_empty_page_lacks_what_is_missing_up_to_the_largest_total(
    offset: int, first_total: int | None, total: int | None, has_next: bool, lacks: int
) -> None:
    paging = _paging(offset=offset, first_total=first_total)
    assert paging.lacks(_page(0, total, has_next=has_next)) == lacks


def test_a_page_with_items_lacks_nothing() -> None:
    assert _paging().lacks(_page(3, 100)) == 0


@pytest.mark.parametrize(
    ("offset", "count", "total", "lacks"),
    [
        (0, 50, 120, 120),
        (50, 50, 120, 70),
        (50, 6, 56, 6),
        (0, 1, 120, 120),
        (0, 50, 1, 50),
        (0, 3, None, 3),
        (0, 2, 2, 2),
        (50, 1, 51, 1),
        (0, 1, None, 1),
    ],
)
def test_a_page_of_nobody_lacks_what_is_missing_or_what_is_on_it(
    offset: int, count: int, total: int | None, lacks: int
) -> None:
    assert _paging(offset=offset, first_total=total).lacks(_nobody(count, total)) == lacks


def test_a_page_of_nobody_is_no_end_that_was_followed() -> None:
    paging = _paging()
    paging.take(_page(12, 80), limit=SIZE)
    assert paging.lacks(_nobody(50, 80)) == 68


def test_a_page_of_some_nulls_lacks_nothing() -> None:
    assert _paging().lacks(Page(50, 120, True, [FoundArtist("a", "A")])) == 0


def test_a_later_page_of_nulls_is_stepped_over_once_its_attempts_are_used_up() -> None:
    paging = _paging()
    paging.take(_page(50, 120, has_next=True), limit=SIZE)
    assert paging.take(_nobody(50, 120, has_next=True), limit=SIZE) is AfterPage.NEXT_PAGE
    assert (paging.offset, paging.results) == (100, 50)


def test_the_last_page_never_asks_past_the_cap() -> None:
    assert _paging(offset=980).limit(SIZE) == 20


def test_a_full_last_page_at_the_cap_is_truncated() -> None:
    paging = _paging(offset=950, first_total=990)
    assert paging.take(_page(50, 990, has_next=True), limit=SIZE) is AfterPage.END
    assert paging.truncated


@pytest.mark.parametrize("total", [990, None])
def test_a_short_last_page_at_the_cap_is_not_truncated(total: int | None) -> None:
    paging = _paging(offset=950, first_total=total)
    assert paging.take(_page(40, total), limit=SIZE) is AfterPage.END
    assert not paging.truncated


def test_a_full_last_page_at_the_cap_is_truncated_without_any_total() -> None:
    paging = _paging(offset=950)
    assert paging.take(_page(50, None, has_next=True), limit=SIZE) is AfterPage.END
    assert paging.truncated


def test_next_past_the_cap_is_not_followed() -> None:
    paging = _paging(offset=980, first_total=999)
    assert paging.take(_page(19, 999, has_next=True), limit=20) is AfterPage.END


@pytest.mark.parametrize(("refinable", "expected"), [(True, AfterPage.END), (False, AfterPage.NEXT_PAGE)])
def test_a_first_total_at_the_cap_truncates_and_is_paged_only_without_children(
    refinable: bool, expected: AfterPage
) -> None:
    paging = _paging(refinable=refinable)
    assert paging.take(_page(50, 1000, has_next=True), limit=SIZE) is expected
    assert paging.truncated


def test_a_string_resumed_behind_a_first_total_at_the_cap_stays_truncated() -> None:
    paging = _paging(offset=950, first_total=1000)
    assert paging.take(_page(50, 1000), limit=SIZE) is AfterPage.END
    assert paging.truncated


def test_a_smaller_page_size_goes_on_at_the_same_offset() -> None:
    paging = _paging()
    paging.take(_page(50, 200, has_next=True), limit=50)
    assert (paging.offset, paging.limit(10)) == (50, 10)


def test_a_restarted_string_forgets_its_pages() -> None:
    paging = _paging()
    paging.take(_page(50, 200, has_next=True), limit=SIZE)
    paging.restart()
    assert (paging.offset, paging.pages, paging.results, paging.first_total) == (0, 0, 0, None)
    assert paging.lacks(_page(0, 0)) == 0
