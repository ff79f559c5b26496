"""Tests in virtual time: the loop's clock jumps to the next timer, so that waits cost nothing and rates are exact."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

from support.fakes.limiter_world import virtual_loop

Arguments = ParamSpec("Arguments")


def in_virtual_time(story: Callable[Arguments, Coroutine[Any, Any, None]]) -> Callable[Arguments, None]:
    """Run an async test on a loop of its own. What it tests must take its time from the loop (`LoopClock`)."""

    @wraps(story)
    def test(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        with virtual_loop() as runner:
            runner.run(story(*args, **kwargs))

    return test
