"""When a string ends: one test for each rule that decides whether another page is asked for."""

from __future__ import annotations

import pytest

from crawl_worker.crawl.paging import AfterPage, Paging
from crawl_worker.sources.outcomes import Page

SIZE = 50


def _page(count: int, total: int, *, has_next: bool = False) -> Page:
    return Page(count, total, has_next, [])


def _paging(*, offset: int = 0, first_total: int | None = None, refinable: bool = False) -> Paging:
    return Paging(cap=1000, refinable=refinable, offset=offset, first_total=first_total)


def test_an_empty_first_page_ends_the_string() -> None:
    paging = _paging()
    assert paging.take(_page(0, 0), limit=SIZE) is AfterPage.END
    assert (paging.pages, paging.results, paging.truncated) == (1, 0, False)


def test_a_short_page_without_next_ends_the_string() -> None:
    assert _paging().take(_page(12, 12), limit=SIZE) is AfterPage.END


def test_a_short_page_with_next_goes_on_behind_its_limit() -> None:
    paging = _paging()
    assert paging.take(_page(12, 80, has_next=True), limit=SIZE) is AfterPage.NEXT_PAGE
    assert paging.offset == SIZE


def test_a_full_page_without_next_goes_on_while_the_total_says_so() -> None:
    assert _paging().take(_page(50, 80), limit=SIZE) is AfterPage.NEXT_PAGE


def test_a_full_page_without_next_ends_the_string_where_the_total_is_reached() -> None:
    assert _paging().take(_page(50, 50), limit=SIZE) is AfterPage.END


def test_a_page_with_next_goes_on_even_beyond_the_total() -> None:
    assert _paging().take(_page(50, 50, has_next=True), limit=SIZE) is AfterPage.NEXT_PAGE


def test_the_largest_total_counts_when_totals_wobble() -> None:
    paging = _paging(offset=50, first_total=140)
    assert paging.take(_page(50, 90), limit=SIZE) is AfterPage.NEXT_PAGE


def test_an_empty_page_before_the_total_is_asked_once_more() -> None:
    paging = _paging(offset=50, first_total=140)
    assert paging.take(_page(0, 140), limit=SIZE) is AfterPage.ASK_AGAIN
    assert paging.offset == 50
    assert paging.take(_page(0, 140), limit=SIZE) is AfterPage.END


def test_an_empty_first_page_with_a_total_is_asked_once_more() -> None:
    paging = _paging()
    assert paging.take(_page(0, 734), limit=SIZE) is AfterPage.ASK_AGAIN
    assert paging.take(_page(50, 734, has_next=True), limit=SIZE) is AfterPage.NEXT_PAGE


def test_the_last_page_never_asks_past_the_cap() -> None:
    assert _paging(offset=980).limit(SIZE) == 20


def test_a_full_last_page_at_the_cap_is_truncated() -> None:
    paging = _paging(offset=950, first_total=990)
    assert paging.take(_page(50, 990, has_next=True), limit=SIZE) is AfterPage.END
    assert paging.truncated


def test_a_short_last_page_at_the_cap_is_not_truncated() -> None:
    paging = _paging(offset=950, first_total=990)
    assert paging.take(_page(40, 990), limit=SIZE) is AfterPage.END
    assert not paging.truncated


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
    assert paging.take(_page(3, 1000), limit=SIZE) is AfterPage.END
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
