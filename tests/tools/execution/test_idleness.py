"""What a page took is told apart from what the machine did meanwhile."""

import os
import subprocess
import sys

import pytest

from tools.execution import idleness
from tools.execution.idleness import Stopwatch

BURN = "import time\nwhile time.process_time() < 1: pass"


def test_the_time_of_a_child_is_its_own_and_not_other_work():
    family, stopwatch = idleness._seconds_of_family(os.getpid()), Stopwatch()
    busy = idleness._busy_seconds()
    subprocess.run([sys.executable, "-c", BURN], check=True)
    # The kernel counts in hundredths of a second.
    assert stopwatch.stop().cpu_seconds >= 0.95
    assert idleness._seconds_of_family(os.getpid()) - family >= 0.95
    assert idleness._busy_seconds() - busy >= 0.9


@pytest.mark.parametrize(("busy", "others"), [(10.0, 0.0), (12.0, 0.1), (20.0, 0.5), (9.0, 0.0)])
def test_others_are_what_was_busy_and_not_ours(monkeypatch, busy, others):
    """On two cores, in ten seconds, of which our processes computed ten."""
    clock = {"seconds": 100.0, "busy": 500.0, "ours": 50.0}
    monkeypatch.setattr(idleness.psutil, "cpu_count", lambda: 2)
    monkeypatch.setattr(idleness.time, "perf_counter", lambda: clock["seconds"])
    monkeypatch.setattr(idleness, "_busy_seconds", lambda: clock["busy"])
    monkeypatch.setattr(idleness, "_seconds_of_family", lambda pid: clock["ours"])
    stopwatch = Stopwatch()
    clock |= {"seconds": 110.0, "busy": 500.0 + busy, "ours": 60.0}
    elapsed = stopwatch.stop()
    assert elapsed.seconds == 10.0
    assert elapsed.others == pytest.approx(others)
