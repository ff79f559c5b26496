"""An API that answers oddly in more than a hundred ways: a crawl of each finds what a careful reader of it would.

Each crawl is whole: a worker process on a real ledger and Redis, from nothing to the job's end. What it must find, ask
and say is in the shape. A shape that fails names itself: run it alone with -k, or with ODD_SHAPES=name,name.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.odd.api import odd_api
from support.odd.crawls import Crawls, crawl_all, stand_still
from support.odd.failures import FAILURES
from support.odd.paging import PAGING
from support.odd.shape import Shape
from support.odd.standstills import STANDSTILLS
from support.odd.stored import STORED
from support.odd.tokens import TOKENS

ONLY = set(filter(None, os.environ.get("ODD_SHAPES", "").split(",")))
"""For somebody who looks into a shape that fails."""


@pytest.mark.parametrize(
    "shapes",
    [STORED, PAGING, FAILURES, TOKENS],
    ids=["stored fields", "pages", "failures", "tokens"],
)
async def test_a_crawl_finds_what_a_careful_reader_of_odd_answers_would(
    ledger_url: str, redis_url: str, tmp_path: Path, shapes: Sequence[Shape]
) -> None:
    chosen = {shape.name: shape for shape in shapes if not ONLY or shape.name in ONLY}
    async with odd_api(chosen) as api, Crawls.open(ledger_url, redis_url, tmp_path) as crawls:
        wrong = await crawl_all(chosen.values(), api, crawls)
    assert not wrong, "\n" + "\n".join(wrong)


async def test_an_api_of_which_nothing_can_be_had_costs_little_and_a_person_is_told_why(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    shapes = {shape.name: shape for shape in STANDSTILLS if not ONLY or shape.name in ONLY}
    async with odd_api(shapes) as api, Crawls.open(ledger_url, redis_url, tmp_path) as crawls:
        found = await asyncio.gather(*(stand_still(shape, api, crawls) for shape in shapes.values()))
    wrong = [sentence for sentences in found for sentence in sentences]
    assert not wrong, "\n" + "\n".join(wrong)
