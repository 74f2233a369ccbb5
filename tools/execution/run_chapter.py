"""Run one chapter in a kernel of its own and keep the outcome; `execute` starts this process.

A good run leaves ``_build/executed/<profile>/<slug>.ipynb`` and, beside it, the record of what the
run read and cost. A run that fails leaves the notebook as far as it got under ``_build/failed/``,
and does not touch what the last good run left.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import platform
import re
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from tools.execution import watcher
from tools.execution.freshness import RECORD_FORMAT, THREADS, code_digest
from tools.execution.idleness import Stopwatch
from tools.project import Project, read_json, write_atomically

CELL_SECONDS = (
    900  # Only against a cell that never ends; the page's own limit is judged afterwards.
)
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def kernel_environment(profile: str, scratch: Path) -> dict[str, str]:
    """Give the variables that a chapter's kernel runs with."""
    environment = {
        "TL_PROFILE": profile,
        "TL_STATIC": "1",
        "IPYTHONDIR": str(scratch / "ipython"),  # no start-up files or history of this user
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",  # transformers asks it, too
        "PYTHONHASHSEED": "0",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if profile == "tiny":
        environment["HF_HUB_OFFLINE"] = "1"  # The tiny profile promises to need no hub.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment[name] = str(THREADS)
    return environment


def run_chapter(project: Project, slug: str, profile: str) -> None:
    """Run a chapter and store its outcome.

    Raises
    ------
    RuntimeError
        If a cell fails; the message shows the cell and its error.
    """
    notebook = nbformat.read(project.notebook(slug), as_version=4)
    with tempfile.TemporaryDirectory(prefix=f"tl-{slug}-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        # An empty folder: a chapter that counts on files of the checkout would fail on Colab.
        work = scratch / "work"
        work.mkdir()
        os.environ.update(kernel_environment(profile, scratch))
        report = scratch / "record.json"
        output = scratch / f"{slug}.ipynb"
        watch = (
            f"__import__('runpy').run_path({watcher.__file__!r})"
            f"['watch']({str(project.root)!r}, {str(report)!r})"
        )
        stopwatch = Stopwatch()
        try:
            papermill.execute_notebook(
                str(project.notebook(slug)),
                str(output),
                parameters={"profile": profile} if _takes_parameters(notebook) else None,
                kernel_name="python3",
                language="python",
                cwd=str(work),
                progress_bar=False,
                execution_timeout=CELL_SECONDS,
                coalesce_streams=True,
                extra_arguments=[
                    f"--IPKernelApp.exec_lines={[watch]!r}",
                    "--IPKernelApp.log_level=ERROR",
                ],
            )
        except Exception as error:
            partial = nbformat.read(output, as_version=4) if output.exists() else notebook
            kept = project.failed(slug, profile)
            write_atomically(kept, nbformat.writes(graft(notebook, partial)))
            raise RuntimeError(f"{explain(error)}\nAs far as it got: {kept}") from None
        elapsed = stopwatch.stop()
        executed = nbformat.read(output, as_version=4)
        seen = read_json(report)
        if seen is None:
            raise RuntimeError(
                f"{slug}: the kernel left no record of what it read; is the notebook empty?"
            )
    record = {
        "format": RECORD_FORMAT,
        "cells": code_digest(notebook),
        "files": seen["files"],
        "versions": installed_versions(seen["packages"]),
        "python": platform.python_version(),
        "arithmetic": seen["arithmetic"],
        "seconds": round(elapsed.seconds, 1),
        "cpu_seconds": round(elapsed.cpu_seconds, 1),
        "others": round(elapsed.others, 3),
        "peak_bytes": seen["peak_bytes"],
        "slowest_cells": slowest_cells(executed),
    }
    # The record goes last: without it the notebook counts as stale, never the other way round.
    project.run_record(slug, profile).unlink(missing_ok=True)
    write_atomically(project.executed(slug, profile), nbformat.writes(graft(notebook, executed)))
    write_atomically(project.run_record(slug, profile), json.dumps(record, indent=1) + "\n")
    project.failed(slug, profile).unlink(missing_ok=True)


def _takes_parameters(notebook: NotebookNode) -> bool:
    return any("parameters" in cell.metadata.get("tags", []) for cell in notebook.cells)


def graft(notebook: NotebookNode, executed: NotebookNode) -> NotebookNode:
    """Put the outputs of a run on a notebook with the same code cells.

    Text cells come from ``notebook``: prose can be edited without running the page again. The cell
    that papermill injects is left out, as are its time stamps and paths.
    """
    ran = {}
    position = 0
    for cell in executed.cells:
        if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.get("tags", []):
            ran[position] = cell
            position += 1
    result = copy.deepcopy(notebook)
    position = 0
    for cell in result.cells:
        if cell.cell_type == "code":
            if position in ran and ran[position].source == cell.source:
                cell.outputs = ran[position].outputs
                cell.execution_count = ran[position].execution_count
            position += 1
    if "widgets" in executed.metadata:
        result.metadata["widgets"] = executed.metadata["widgets"]
    return result


def slowest_cells(executed: NotebookNode) -> list[dict[str, Any]]:
    """Give the three cells that took longest, by their first line."""
    timed = [
        {
            "seconds": round(cell.metadata["papermill"].get("duration") or 0, 1),
            "cell": cell.source.strip().split("\n")[0],
        }
        for cell in executed.cells
        if cell.cell_type == "code" and "papermill" in cell.metadata
    ]
    return sorted(timed, key=lambda cell: -cell["seconds"])[:3]


def installed_versions(packages: list[str]) -> dict[str, str]:
    """Give the version of each distribution that these imported packages come from."""
    homes = metadata.packages_distributions()
    names = {name for package in packages for name in homes.get(package, ())}
    return {name: metadata.version(name) for name in sorted(names)}


def explain(error: Exception) -> str:
    """Tell which cell failed and how, without terminal colours."""
    if isinstance(error, PapermillExecutionError):
        traceback = ANSI.sub("", "\n".join(error.traceback)).strip()
        return f"Cell [{error.exec_count}] failed:\n\n{_indented(error.source)}\n\n{traceback}\n"
    return ANSI.sub("", f"{type(error).__name__}: {error}")


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines())


def main() -> int:
    """Run the chapter that the arguments name: root, slug, profile."""
    root, slug, profile = sys.argv[1:]
    logging.getLogger("papermill").setLevel(logging.ERROR)
    try:
        run_chapter(Project(Path(root)), slug, profile)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
