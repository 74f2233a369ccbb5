"""Grade submitted notebooks with the autograders that `tools.exercises.assign` made."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import psutil

from tools.pair import KERNEL
from tools.project import Project, UserError

SECONDS_TO_GRADE = 300


@dataclass(frozen=True)
class Grade:
    """What one submission got: points by exercise, or why it could not be graded."""

    file: str
    assignment: str
    points: dict[str, float] = field(default_factory=dict)
    possible: float = 0.0
    error: str = ""


def grade(project: Project, folder: Path, seconds: int = SECONDS_TO_GRADE) -> list[Grade]:
    """Grade every notebook of a folder with the autograder of its assignment.

    The notebooks are *run*, with the rights of whoever calls this: read what you do not trust, or
    give ``autograder.zip`` to a service that isolates it (Gradescope takes it as it is).

    Raises
    ------
    UserError
        If there is no folder, or no notebook in it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: make grade SUBMISSIONS=folder-of-notebooks")
    notebooks = sorted(folder.rglob("*.ipynb"))
    notebooks = [n for n in notebooks if ".ipynb_checkpoints" not in n.parts]
    if not notebooks:
        raise UserError(f"There is no notebook (.ipynb) in {folder}")
    grades = []
    for number, path in enumerate(notebooks, start=1):
        name = str(path.relative_to(folder))
        print(f"[{number}/{len(notebooks)}] {name}", flush=True)
        grades.append(_grade_one(project, path, name, seconds))
    return grades


def _grade_one(project: Project, path: Path, name: str, seconds: int) -> Grade:
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises what json, its schema and the disk raise
        return Grade(name, "", error=f"not a readable notebook: {error}".splitlines()[0])
    slug = _assignment_of(notebook, path)
    archive = project.build / "exercises" / slug / "autograder.zip"
    if not slug:
        return Grade(name, "", error="not made from any of our student notebooks")
    if not archive.exists():
        return Grade(name, slug, error=f"there is no autograder for {slug}: run `make assign`")
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata["kernelspec"] = dict(KERNEL)  # the student's may not exist here
    notebook.metadata["otter"] = {"assignment_name": slug}
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / f"{slug}.ipynb"
        nbformat.write(notebook, copy)
        trouble = _run_otter(copy, archive, seconds)
        results = Path(scratch) / "results.json"
        if trouble or not results.exists():
            return Grade(name, slug, error=trouble or "otter left no result")
        return _read_results(name, slug, json.loads(results.read_text("utf-8")))


def _assignment_of(notebook: Any, path: Path) -> str:  # noqa: ANN401
    """Find out which assignment a notebook answers; nothing if it is none of ours."""
    named = notebook.metadata.get("otter", {}).get("assignment_name", "")
    found = re.match(r"\d\d-[a-z0-9-]+", path.stem)
    if named or not found:
        return str(named)
    # Some editors drop metadata; a chapter has the same name as its exercises, but no checks.
    checks = any("grader.check(" in cell.source for cell in notebook.cells)
    return found[0] if checks else ""


def _run_otter(submission: Path, archive: Path, seconds: int) -> str:
    """Run otter on one notebook in a process of its own; return what went wrong."""
    command = [sys.executable, "-m", "otter", "run", "--no-logo", "-a", str(archive)]
    command += ["-o", str(submission.parent), str(submission)]
    environment = {**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    process = subprocess.Popen(
        command,
        cwd=submission.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        # The kernel is a child of otter, and an endless loop in it would outlive otter.
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        process.kill()
        process.communicate()
        return f"stopped after {seconds} s: is there an endless loop?"
    if process.returncode:
        last = [line for line in output.splitlines() if line.strip()][-1:]
        return f"otter failed: {' '.join(last)}"
    return ""


def _read_results(name: str, slug: str, results: dict[str, Any]) -> Grade:
    points, possible = {}, 0.0
    for test in results["tests"]:
        if "max_score" in test and "score" in test:
            points[str(test["name"])] = float(test["score"])
            possible += float(test["max_score"])
    error = "" if points else "no exercise could be checked: does the notebook run from the top?"
    return Grade(name, slug, points, possible, error)


def grades_table(grades: Sequence[Grade]) -> str:
    """Write grades as CSV: one row a submission, one column an exercise."""
    exercises = sorted({name for grade in grades for name in grade.points})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["submission", "assignment", *exercises, "total", "possible", "error"])
    for grade in grades:
        each = [f"{grade.points[name]:g}" if name in grade.points else "" for name in exercises]
        total = f"{sum(grade.points.values()):g}"
        row = [grade.file, grade.assignment, *each, total, f"{grade.possible:g}", grade.error]
        writer.writerow([_harmless(value) for value in row])
    return out.getvalue()


def _harmless(value: str) -> str:
    """Keep a spreadsheet from reading a file's name as a formula."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@") else value
