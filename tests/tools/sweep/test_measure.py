"""Points run in processes of their own, two side by side, each on one thread."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools.sweep.measure import environment, measure, measured_points
from tools.sweep.plan import SweepError

SWEEP = """
import os
from functools import lru_cache

from tlhelpers import metrics


def points():
    return [{"x": x, "seed": 0} for x in range(6)]


@lru_cache
def trained():
    open(f"{FOLDER}/trained-{os.getpid()}", "w").close()


def run(point):
    import torch

    trained()
    assert point["x"] != 3 or not os.path.exists(f"{FOLDER}/fail"), "three"
    return {"x": point["x"], "threads": torch.get_num_threads(), "process": os.getpid()}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "07-processes.py"
    path.write_text(f"FOLDER = {str(tmp_path)!r}\n{SWEEP}")
    return path


def test_a_pause_makes_a_point_no_longer():
    if environment()["device"] != "cpu":
        pytest.skip("what a GPU computes is not counted by the processor's clock")
    sleeping = SimpleNamespace(run=lambda point: {"x": float(time.sleep(1) is None)})
    assert measure(sleeping, {"seed": 0})[2] < 0.5


POINTS = [{"x": x, "seed": 0} for x in range(6)]


@pytest.mark.slow
def test_two_processes_take_points_from_both_ends(path, tmp_path):
    before = os.environ.get("OMP_NUM_THREADS")
    done = list(measured_points(path, POINTS))
    assert sorted(one.values["x"] for one in done) == [0, 1, 2, 3, 4, 5]
    assert {one.values["threads"] for one in done} == {1}
    assert {one.environment["precision"] for one in done} == {"fp32"}
    assert len(list(tmp_path.glob("trained-*"))) == 2, "each process keeps what it made"
    of_first = [
        one.values["x"] for one in done if one.values["process"] == done[0].values["process"]
    ]
    assert of_first in (sorted(of_first), sorted(of_first, reverse=True))
    files = set.union(*({*one.files} for one in done))
    assert "src/tlhelpers/metrics.py" in files
    assert not [name for name in files if name.startswith("tools")]
    assert os.environ.get("OMP_NUM_THREADS") == before


@pytest.mark.slow
def test_a_failing_point_is_named_and_the_others_are_given(path, tmp_path):
    (tmp_path / "fail").touch()
    done = []
    with pytest.raises(SweepError, match=r'"x": 3.*AssertionError: three'):
        for measured in measured_points(path, POINTS):
            done.append(measured.values["x"])
    assert {0, 5} <= set(done)


@pytest.mark.slow
def test_after_the_deadline_nothing_begins(path):
    assert list(measured_points(path, POINTS, deadline=0)) == []


@pytest.mark.slow
def test_no_process_computes_on_when_the_one_that_asked_was_killed():
    asking = (
        "import os, time; from tools.sweep.measure import _pool; pool = _pool();"
        "print(pool.submit(os.getpid).result(), flush=True); pool.submit(time.sleep, 600)"
    )
    with subprocess.Popen([sys.executable, "-c", asking], stdout=subprocess.PIPE) as asker:
        measuring = int(asker.stdout.readline())
        asker.send_signal(signal.SIGKILL)
    for _ in range(600):
        if not Path(f"/proc/{measuring}").exists():
            return
        time.sleep(0.1)
    os.kill(measuring, signal.SIGKILL)
    pytest.fail("it goes on after its parent's end")
