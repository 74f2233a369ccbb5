"""Measure points of a sweep, each on one thread, in processes of their own.

Two points side by side take little more than half the time of one after the other on two threads.
What a process keeps in an ``lru_cache`` serves its next points: so one process takes points from
the front of the list, the other from its end, and points that share a model stay together.
"""

from __future__ import annotations

import math
import os
import platform
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

from tlhelpers.device import processor_name
from tlhelpers.evidence.recorded import Right
from tools.execution.freshness import THREADS
from tools.execution.watcher import Watcher, arithmetic
from tools.sweep.plan import ROOT, Point, SweepError, load_sweep, point_key

LIBRARIES = ("torch", "transformers", "datasets", "accelerate", "peft", "scikit-learn", "numpy")
SIDE_BY_SIDE = 2


@dataclass(frozen=True)
class Measured:
    """What one point gave.

    Attributes
    ----------
    point : dict
        Its parameters.
    values : dict of str to float
        What was measured.
    right : dict of str to Right
        For values that are a share of test texts: which of them were right.
    seconds : float
        How long its one thread computed; on a GPU, how long it took.
    environment : dict
        Processor, precision, threads, versions and commit.
    files : dict of str to str
        Files of this project that were read until then, each with its digest.
    """

    point: Point
    values: dict[str, float]
    right: dict[str, Right]
    seconds: float
    environment: dict[str, Any]
    files: dict[str, str | None]


def environment() -> dict[str, Any]:
    """Describe what this process measures on."""
    versions = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    import torch

    return {
        "processor": processor_name(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "accelerator": torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none",
        "system": platform.system(),
        **arithmetic(),
        "versions": versions,
        "commit": commit(),
        "when": datetime.now(UTC).date().isoformat(),
    }


@cache
def commit() -> str:
    """Return the commit that is checked out."""
    command = ["git", "rev-parse", "HEAD"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def measure(module: ModuleType, point: Point) -> tuple[dict[str, float], dict[str, Right], float]:
    """Run one point in this process; return its values, which texts were right, its seconds.

    Raises
    ------
    SweepError
        If a value is not finite.
    """
    # On a processor neither a pause nor a busy neighbour makes a sweep longer than it is.
    clock = time.process_time if arithmetic()["device"] == "cpu" else time.perf_counter
    started = clock()
    given = module.run(dict(point))
    seconds = clock() - started
    right = {name: value for name, value in given.items() if isinstance(value, Right)}
    values = {
        name: value.share if isinstance(value, Right) else float(value)
        for name, value in given.items()
    }
    for name, value in values.items():
        if not math.isfinite(value):
            raise SweepError(f"point {point} gave {name} = {value}. Mend run(), nothing is stored.")
    return values, right, seconds


def measured_points(
    path: Path, points: list[Point], deadline: float = math.inf
) -> Iterator[Measured]:
    """Measure points, two side by side, and give each as it ends.

    Parameters
    ----------
    path : Path
        The sweep's file.
    points : list of dict
        What to measure.
    deadline : float
        Begin no further point after this time of ``time.monotonic()``.

    Raises
    ------
    SweepError
        Where a point fails, after the others that had begun were given.
    """
    waiting = deque(points)
    pools = [_pool() for _ in range(min(SIDE_BY_SIDE, len(points)))]
    running: dict[Future[Measured], int] = {}
    failed: BaseException | None = None

    def begin(which: int) -> None:
        if waiting and not failed and time.monotonic() <= deadline:
            point = waiting.pop() if which else waiting.popleft()
            running[pools[which].submit(_measure_here, str(path), point)] = which

    with _environment_of_processes():
        try:
            for which in range(len(pools)):
                begin(which)
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    which = running.pop(future)
                    failed = failed or future.exception()
                    begin(which)
                    if not future.exception():
                        yield future.result()
        finally:
            for pool in pools:
                pool.shutdown(cancel_futures=True)
    if failed:
        raise failed


def _pool() -> ProcessPoolExecutor:
    """Make one process: with two in one pool, no telling which of them takes a point."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begin)


_watcher: Watcher | None = None


def _end_with_parent() -> None:
    """Leave no process computing on when the one that asked was killed."""
    if parent := parent_process():
        connection.wait([parent.sentinel])
        os._exit(1)


def _begin() -> None:
    global _watcher
    Thread(target=_end_with_parent, daemon=True).start()
    _watcher = Watcher(ROOT)
    _watcher.install()
    import torch

    torch.set_num_threads(THREADS)


@cache
def _loaded(path: str) -> ModuleType:
    return load_sweep(Path(path))


def _measure_here(path: str, point: Point) -> Measured:
    assert _watcher is not None, "a process of measured_points"
    try:
        values, right, seconds = measure(_loaded(path), point)
    except SweepError:
        raise
    except Exception as error:
        raise SweepError(
            f"{Path(path).name}: point {point_key(point)} failed: {type(error).__name__}: {error}"
        ) from error
    _watcher.note_modules()
    files = {
        name: digest
        for name, digest in _watcher.files.items()
        # The machinery measures, and what run() reaches of the sweep's file has its own digest.
        if not name.startswith(("tools/", "book/sweeps"))
    }
    return Measured(point, values, right, seconds, environment(), files)


@contextmanager
def _environment_of_processes() -> Iterator[None]:
    """Set what a process must find when it imports its libraries: a pool passes no variables."""
    ours = {"PYTHONHASHSEED": "0", "TOKENIZERS_PARALLELISM": "false"}
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        ours[name] = str(THREADS)
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
