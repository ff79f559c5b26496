"""Delays have the distribution that was asked for."""

import random
import statistics

import pytest

from crawl_sandbox.errors import OptionError
from crawl_sandbox.latency import Latency


def drawn_s(text: str, count: int = 20_000) -> list[float]:
    latency, rng = Latency.parse(text), random.Random(1)
    assert latency is not None
    return [latency.draw_s(rng) for _ in range(count)]


def test_a_constant_is_constant() -> None:
    assert set(drawn_s("50ms", 10)) == {0.05}


def test_a_lognormal_delay_has_its_median_and_sigma() -> None:
    delays_s = sorted(drawn_s("lognormal:40ms:0.5"))
    assert statistics.median(delays_s) == pytest.approx(0.040, rel=0.03)
    assert delays_s[int(0.8413 * len(delays_s))] == pytest.approx(0.040 * 2.71828**0.5, rel=0.05)


def test_a_tail_takes_its_share() -> None:
    slow = [delay_s for delay_s in drawn_s("10ms+0.25:300ms-1.5s") if delay_s > 0.02]
    assert len(slow) / 20_000 == pytest.approx(0.25, abs=0.02)
    assert (min(slow), max(slow)) == (pytest.approx(0.31, abs=0.01), pytest.approx(1.51, abs=0.01))


def test_none_is_no_delay() -> None:
    assert Latency.parse("none") is None


@pytest.mark.parametrize("text", ["", "50", "fast", "lognormal:40ms", "lognormal:40ms:0.5+1%:1s-2s", "50ms+2:1s-2s"])
def test_what_is_no_latency_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(OptionError, match=r"write none, 50ms, lognormal:40ms:0\.5"):
        Latency.parse(text)
