"""What answers that attack cost a process that reads them: little memory, and no standstill."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from support.fakes.hostile_answers import NOT_TAKEN, POURED, pours, says
from support.processes import answer_reader
from support.processes.raw_server import Streams, serve

TESTS = Path(__file__).parents[1]
PEAK_MIB = 160
"""A worker's pod may use 256."""
LONGEST_STANDSTILL_S = 2.0
"""Far above what is measured (0.15 s), for machines under load; 1 GiB that is unpacked at once takes longer."""

SHAPES: dict[str, Streams] = {name: says(answer) for name, answer in NOT_TAKEN.items()} | {
    name: pours(head, more) for name, (head, more) in POURED.items()
}


async def test_answers_that_attack_cost_little_memory_and_no_standstill() -> None:
    async with AsyncExitStack() as stack:
        urls = [(await stack.enter_async_context(serve(shape))).url for shape in SHAPES.values()]
        reader = await asyncio.create_subprocess_exec(
            sys.executable,
            answer_reader.__file__,
            *urls,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
        )
        out, _ = await asyncio.wait_for(reader.communicate(), 120)
    costs = dict(zip(SHAPES, map(json.loads, out.splitlines()), strict=True))
    taken = {name for name, (said, _, _) in costs.items() if not all(each.startswith("no answer: ") for each in said)}
    assert taken == set()
    assert {name: peak_mib for name, (_, peak_mib, _) in costs.items() if peak_mib > PEAK_MIB} == {}
    assert {name: still_s for name, (_, _, still_s) in costs.items() if still_s > LONGEST_STANDSTILL_S} == {}
