"""CPU seconds of processes, as benchmarks count them."""

from __future__ import annotations

from contextlib import suppress

import psutil


def cpu_s(process: psutil.Process) -> float:
    """CPU seconds of a process, with those of children that have ended and were waited for."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def tree_cpu_s(root: psutil.Process) -> float:
    """CPU seconds of a process and all below it. A child that ends while this looks counts among the ended ones."""
    # The children first: the time of one that ends in between is then the root's.
    total_s = 0.0
    for child in root.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            total_s += cpu_s(child)
    return total_s + cpu_s(root)
