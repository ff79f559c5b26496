"""When a person is told of fields that cannot be read."""

from __future__ import annotations

from crawl_core.metrics.definitions import WORKER
from crawl_core.metrics.labels import AnswerField
from crawl_worker.client.field_watch import FieldWatch
from crawl_worker.sources.outcomes import Page, UnreadableField


def page(*, items: int = 50, unreadable: int = 0, field: AnswerField = AnswerField.FOLLOWERS) -> Page:
    return Page(items, items, False, [], unreadable=[UnreadableField(field, "a list")] * unreadable)


def test_a_tenth_of_a_hundred_items_is_told_with_an_example() -> None:
    watch = FieldWatch()
    assert watch.take(page(unreadable=9)) == ""
    assert watch.take(page(unreadable=1)) == (
        "the API's answers have changed, and what cannot be read is left out: followers came as a list"
    )


def test_fewer_are_no_news() -> None:
    watch = FieldWatch()
    assert [watch.take(page(unreadable=n)) for n in (9, 0, 9, 0)] == [""] * 4


def test_one_of_few_artists_is_no_news_however_many_pages_there_are() -> None:
    watch = FieldWatch()
    told = [watch.take(page(items=0)) for _ in range(200)] + [watch.take(page(items=1, unreadable=1))]
    assert set(told) == {""}


def test_what_a_page_says_of_itself_is_counted_by_pages() -> None:
    watch = FieldWatch()
    told = [watch.take(page(items=0, unreadable=int(n < 2), field=AnswerField.TOTAL)) for n in range(20)]
    assert told[:-1] == [""] * 19
    assert "total came as a list" in told[-1]


def test_it_is_over_when_a_hundred_items_can_be_read_again() -> None:
    watch = FieldWatch()
    assert watch.readable
    watch.take(page(items=100, unreadable=100))
    watch.take(page(items=99))
    assert not watch.readable
    watch.take(page(items=1))
    assert watch.readable


def test_each_is_counted_by_its_field() -> None:
    before = counted("followers")
    FieldWatch().take(page(unreadable=3))
    assert counted("followers") == before + 3


def counted(field: str) -> float:
    return WORKER.registry.get_sample_value("artistcrawl_worker_unreadable_fields_total", {"field": field}) or 0.0
