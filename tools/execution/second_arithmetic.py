"""Run the numeric tests and one page in another arithmetic than this machine's own.

Processors differ in the order in which they add and in what they fuse, so a test that is green here
may be red elsewhere. PyTorch can be told to use an older instruction set: its results then differ
from this machine's in the last bits, as another machine's do. Half precision is not part of it: on
processors the book computes in fp32.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tlhelpers.device import processor_flags
from tools.execution.execute import only_run
from tools.execution.freshness import why_stale
from tools.execution.run_chapter import run_chapter
from tools.project import Project
from tools.sweep.measure import commit

NUMERIC_TESTS = (
    "tests/training",
    "tests/subjects",
    "tests/pretrained",
    "tests/test_baselines.py",
    "tests/test_metrics.py",
    "tests/test_vectors.py",
)
# Sums, products and exponentials: what another instruction set computes with other last bits.
PROBE = """
import torch
torch.manual_seed(0)
x = torch.randn(64, 384)
print(hash((x @ x.T / 384).softmax(1).numpy().tobytes()))
"""


@dataclass(frozen=True)
class SecondProject(Project):
    """The same checkout with another place for what is built."""

    @property
    def build(self) -> Path:
        return self.root / "_build" / "second-arithmetic"


def older_instructions(flags: frozenset[str]) -> dict[str, str]:
    """Give the variables that make PyTorch compute as an older processor does.

    Parameters
    ----------
    flags : frozenset of str
        What this processor can do, see `tlhelpers.device.processor_flags`.
    """
    if "avx512f" in flags:
        return {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    return {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}


def bits(variables: Mapping[str, str]) -> str:
    """Return a digest of what PyTorch computes under these variables."""
    environment = {**os.environ, "PYTHONHASHSEED": "0", **variables}
    return subprocess.check_output(
        [sys.executable, "-c", PROBE], env=environment, text=True
    ).strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests, then a page that the commit draws."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.execution.second_arithmetic", description=__doc__
    )
    parser.add_argument("--page", help="which page; drawn by the commit if not given")
    options = parser.parse_args(arguments)
    variables = older_instructions(processor_flags()) | {"OMP_NUM_THREADS": "1"}
    first, second = bits({}), bits(variables)
    told = " ".join(f"{name}={value}" for name, value in variables.items())
    if first == second:
        print(f"{told} changes no bit of PyTorch's results on this machine.", file=sys.stderr)
        return 1
    print(f"second arithmetic: {told}", flush=True)
    os.environ.update(variables)
    marks = "not slow and not real_assets and not book and not browser"
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", marks, "-p", "no:cacheprovider", *NUMERIC_TESTS],
        cwd=Project().root,
        check=False,
    )
    if tests.returncode:
        return tests.returncode
    project = SecondProject()
    drawn = random.Random(commit()).choice(project.slugs())
    (slug,) = project.select([options.page or drawn])
    project.build.mkdir(parents=True, exist_ok=True)
    with only_run(project):
        reason = why_stale(project, slug, "tiny")
        print(f"page {slug}: {reason or 'unchanged'}", flush=True)
        if reason:
            try:
                run_chapter(project, slug, "tiny")
            except RuntimeError as error:
                print(error, file=sys.stderr)
                return 1
            print(f"page {slug}: runs in the second arithmetic, too")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
