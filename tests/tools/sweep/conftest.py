from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.sweep import measure, record, sample
from tools.sweep.measure import Measured

SWEEP = '''"""Doubles a number."""

from tlhelpers.evidence.recorded import Right


def points():
    return [{"x": x, "seed": seed} for x in (1, 2) for seed in range(3)]


def run(point):
    with open(LOG, "a") as log:
        log.write("+")
    return {"y": 2.0 * point["x"] + 0.1 * point["seed"], "seconds_fit": 5.0}
'''


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sweep's file, in a folder that its results go to."""
    path = tmp_path / "07-doubling.py"
    log = tmp_path / "log"
    log.write_text("")
    path.write_text(SWEEP.replace("LOG", repr(str(log))))
    return path


def runs(path: Path) -> int:
    """Count how often the sweep's run() was called."""
    return len((path.parent / "log").read_text())


def in_this_process(path, points, deadline=float("inf")) -> Iterator[Measured]:
    """Stand in for `measured_points`, which starts processes: seconds for each test."""
    module = measure.load_sweep(path)
    for point in points:
        if measure.time.monotonic() > deadline:
            return
        here = measure.environment()
        yield Measured(point, *measure.measure(module, point), here, {})


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure in this process, a sweep that no entry of the book's ledger waits for."""
    monkeypatch.setattr(record, "measured_points", in_this_process)
    monkeypatch.setattr(sample, "measured_points", in_this_process)
    monkeypatch.setattr(record, "bars_of_sweep", lambda name: {"07-doubles": "0123456789abcdef"})
