"""Run the full profile of every chapter against a miniature hub, without a network.

The hub is made on the spot by ``tests.miniature.build``: checkpoints of the right architecture with
a few thousand parameters, data sets of a few rows. ``nbval`` in its lax mode then runs each line
that a Colab reader runs, and fails where a cell raises. Figures are not tested this way.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.execution.execute import default_jobs
from tools.execution.run_chapter import ANSI
from tools.project import Project, UserError

FIXED = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "TOKENIZERS_PARALLELISM": "false"}
OPTIONS = ("--nbval-lax", "--nbval-cell-timeout=300", "--exitfirst", "-p", "no:cacheprovider")


def build_hub(folder: Path) -> dict[str, str]:
    """Make the hub; return the variables that point to it."""
    from tests.miniature.build import build

    return dict(build(folder))


def main(arguments: Sequence[str] | None = None, project: Project | None = None) -> int:
    """Run the chapters that are named, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.execution.miniature", description=__doc__
    )
    parser.add_argument("chapters", nargs="*", help="number, slug or file; all by default")
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="chapters side by side")
    options = parser.parse_args(arguments)
    project = project or Project()
    try:
        slugs = project.select(options.chapters)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    folder = project.build / "miniature"
    shutil.rmtree(folder / "notebooks", ignore_errors=True)
    environment = os.environ | build_hub(folder / "hub") | FIXED
    environment.pop("TL_STATIC", None)  # Here the widgets are the live ones.

    def run(slug: str) -> subprocess.CompletedProcess[str]:
        # nbval runs a notebook where it lies: a copy keeps what chapters write out of notebooks/.
        copy = folder / "notebooks" / slug / f"{slug}.ipynb"
        copy.parent.mkdir(parents=True)
        shutil.copyfile(project.notebook(slug), copy)
        # One process a chapter, ended by its first failing cell: the next ones fail for that alone.
        command = [sys.executable, "-m", "pytest", *OPTIONS, str(copy)]
        return subprocess.run(
            command, cwd=project.root, env=environment, capture_output=True, text=True, check=False
        )

    failed = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for slug, result in zip(slugs, pool.map(run, slugs), strict=True):
            summary = ANSI.sub("", result.stdout).strip()
            # 5: no test was run, as the notebook has no code cell.
            if result.returncode not in (0, 5):
                failed.append(slug)
                print(f"{summary}\n{result.stderr}", flush=True)
            print(f"  miniature  {slug}: {summary.splitlines()[-1].strip('= ')}", flush=True)
    print(f"{len(slugs) - len(failed)} passed, {len(failed)} failed")
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
