"""The sandbox's counts stay right under load. That it is no bottleneck is `make bench worker`'s to say, as a ratio."""

from collections import Counter

from support.processes.raw_client import search_all
from support.processes.sandbox_process import sandbox


async def test_under_load_exactly_the_places_of_every_window_are_given_away() -> None:
    with sandbox(limit="50/500ms") as api:
        statuses = await search_all(api, ["zqxj"] * 10_000, token=api.token())
        stats, requests = api.stats(), api.requests()
    arrivals_us = [round(request["received_at_s"] * 1e6) for request in requests]
    accepted_us = [us for us, request in zip(arrivals_us, requests, strict=True) if request["status"] == 200]
    assert Counter(statuses) == {200: len(accepted_us), 429: 10_000 - len(accepted_us)}
    assert arrivals_us == sorted(arrivals_us)
    assert all(later - earlier >= 500_000 for earlier, later in zip(accepted_us, accepted_us[50:], strict=False))
    assert stats["max_in_window"] == largest_window(arrivals_us, window_us=500_000)


def largest_window(arrivals_us: list[int], *, window_us: int) -> int:
    largest = first = 0
    for last, now_us in enumerate(arrivals_us):
        while arrivals_us[first] <= now_us - window_us:
            first += 1
        largest = max(largest, last - first + 1)
    return largest
