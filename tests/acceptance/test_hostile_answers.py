"""An API that attacks its crawler: the worker lives, stays small, can be stopped, and passes nothing on.

With -rP pytest prints what each attack cost: the worker's peak memory, and how long its event loop stood still.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.odd.attacks import attack, unclean_text
from support.odd.crawls import AT_ONCE, Crawls
from support.odd.hostile import SEARCHES, TOKENS, Hostile
from support.odd.hostile_api import hostile_api

ONLY = set(filter(None, os.environ.get("ODD_SHAPES", "").split(",")))
"""For somebody who looks into a shape that fails."""

LONGEST_ROW = 500


@pytest.mark.parametrize(
    "shapes",
    [SEARCHES[: len(SEARCHES) // 2], SEARCHES[len(SEARCHES) // 2 :], TOKENS],
    ids=["pages and refusals", "encodings and connections", "tokens"],
)
async def test_no_answer_kills_a_worker_fills_it_or_speaks_through_it(
    ledger_url: str, redis_url: str, tmp_path: Path, shapes: Sequence[Hostile]
) -> None:
    chosen = [shape for shape in shapes if not ONLY or shape.name in ONLY]
    turns = asyncio.Semaphore(AT_ONCE)
    async with hostile_api() as api, Crawls.open(ledger_url, redis_url, tmp_path) as crawls:

        async def in_turn(shape: Hostile) -> list[str]:
            async with turns:
                measured = await attack(shape, api, crawls)
                print(measured.line())
                return measured.wrong

        wrong = [sentence for found in await asyncio.gather(*map(in_turn, chosen)) for sentence in found]
    command = [sys.executable, "-m", "crawl_worker.cli", "status"]
    server = {"ARTISTCRAWL_POSTGRES_URL": ledger_url}
    shown = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=True, env=os.environ | server
    ).stdout
    for line in shown.splitlines():
        wrong += [f"status shows {words}" for words in unclean_text(line)]
        wrong += [f"status shows a line of {len(line)} characters"] if len(line) > LONGEST_ROW else []
    assert not wrong, "\n" + "\n".join(wrong)
