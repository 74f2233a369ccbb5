"""Time a run, and tell what else the machine did meanwhile.

A page over its limit is the page's fault only on an otherwise idle machine.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

import psutil


class Elapsed(NamedTuple):
    """What a run took.

    Attributes
    ----------
    seconds : float
        By the wall clock.
    cpu_seconds : float
        Of a processor's core, by the processes that this one started and that have ended.
    others : float
        Share of the machine's time that other work took, 0 to 1. Pages that the same command runs
        side by side are not other work; what a hypervisor took away is.
    """

    seconds: float
    cpu_seconds: float
    others: float


class Stopwatch:
    """Runs from its making to `stop`."""

    def __init__(self) -> None:
        self._begun = self._now()

    @staticmethod
    def _now() -> tuple[float, float, float, float]:
        own = os.times()
        return (
            time.perf_counter(),
            own.children_user + own.children_system,
            _busy_seconds(),
            _seconds_of_family(os.getppid()),
        )

    def stop(self) -> Elapsed:
        """Tell what has passed."""
        seconds, cpu_seconds, busy, ours = (
            after - before for before, after in zip(self._begun, self._now(), strict=True)
        )
        whole = seconds * (psutil.cpu_count() or 1)
        return Elapsed(seconds, cpu_seconds, max(0.0, busy - ours) / whole)


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


def _seconds_of_family(pid: int) -> float:
    """Sum over a process, those it started, and those of them that have ended."""
    total = 0.0
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return total
    for process in family:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
