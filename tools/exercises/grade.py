"""Grade submitted notebooks: run each in a sandbox, and its master's tests outside of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from tools.exercises.checking import Answers, Checker, earned
from tools.exercises.feedback import Grade, grades_table, write_feedback
from tools.exercises.master import Master, read_master
from tools.exercises.sandbox import Limits, Sandbox, Stopped
from tools.project import Project, UserError, write_atomically


@dataclass(frozen=True)
class Grading:
    """How to grade a folder.

    Attributes
    ----------
    project : whose masters to use.
    slug : the assignment that every notebook answers; else each is asked.
    limits : what a notebook may use.
    trusted : whether to run without bubblewrap, with the rights of whoever calls this.
    seed : the variant that every notebook answers; else each is asked.
    """

    project: Project
    slug: str = ""
    limits: Limits = field(default_factory=Limits)
    trusted: bool = False
    seed: int | None = None


def grade(grading: Grading, folder: Path, output: Path | None = None) -> list[Grade]:
    """Grade every notebook of a folder.

    Parameters
    ----------
    grading
        How to grade it.
    folder
        Where the notebooks are, at any depth.
    output
        Where to write ``grades.csv`` and, in ``feedback``, what each student reads.

    Returns
    -------
    list of Grade
        One for each notebook, by name.

    Raises
    ------
    UserError
        If there is no folder, or no notebook in it, or no bubblewrap.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: make grade SUBMISSIONS=folder-of-notebooks")
    notebooks = sorted(folder.rglob("*.ipynb"))
    notebooks = [n for n in notebooks if ".ipynb_checkpoints" not in n.parts]
    if not notebooks:
        raise UserError(f"There is no notebook (.ipynb) in {folder}")
    Sandbox(grading.limits, grading.trusted).close()  # refuses before any work is done
    grades = []
    for number, path in enumerate(notebooks, start=1):
        name = str(path.relative_to(folder))
        print(f"[{number}/{len(notebooks)}] {name}", flush=True)
        grades.append(_grade_one(grading, path, name))
        if output:
            write_feedback(output / "feedback", grades[-1], _possible(grading, grades[-1]))
    if output:
        write_atomically(output / "grades.csv", grades_table(grades))
    return grades


def _grade_one(grading: Grading, path: Path, name: str) -> Grade:
    try:
        cells, named, seeded = _read(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return Grade(name, "", error=f"not a readable notebook: {error}".splitlines()[0])
    known = grading.project.masters()
    slug = grading.slug or _assignment_of(grading, cells, named, name)
    if slug not in known:
        missing = f"there are no exercises {slug}: there are {', '.join(known)}"
        return Grade(name, slug, error=missing if slug else "not made from a student notebook")
    try:
        seed = _variant_of(grading, slug, seeded)
    except UserError as error:
        return Grade(name, slug, error=str(error))
    checker = _checker(grading.project, slug, seed)
    exercises = checker.master.exercises
    points, checks = {}, {}
    with Answers(cells, grading.limits, grading.trusted) as answers:
        try:
            for each, exercise in exercises.items():
                checks[each] = checker.check(each, answers.ready())
                points[each] = earned(exercise.points, checks[each])
        except Stopped as stopped:
            said = f"cell after cell could not run; the last: {stopped}"
            return Grade(name, slug, error=said, seed=seed)
        notes = [f"cell {number}: {said}" for number, said in sorted(answers.troubles.items())]
    possible = sum(exercise.points for exercise in exercises.values())
    return Grade(name, slug, points, possible, checks, notes, seed=seed)


def _read(path: Path) -> tuple[dict[int, str], str, int | None]:
    """Read the code of each cell, and the assignment and the seed that the notebook names."""
    notebook = json.loads(path.read_text("utf-8-sig"))
    cells = {}
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] == "code":
            source = cell.get("source", "")
            cells[number] = _as_python(source if isinstance(source, str) else "".join(source))
    metadata: Any = notebook.get("metadata") or {}
    named = str((metadata.get("otter") or {}).get("assignment_name", ""))
    # A notebook that was made without a seed names its assignment alone.
    seed = (metadata.get("exercises") or {}).get("seed", 0 if named else None)
    if seed is not None and (not isinstance(seed, int) or not 0 <= seed < 2**63):
        raise ValueError(f"its metadata give the seed {seed!r:.30}")
    return cells, named, seed


def _as_python(source: str) -> str:
    """Turn the magics of a cell into calls; `tools.exercises.worker` says what these do."""
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        return TransformerManager().transform_cell(source)
    except SyntaxError:
        return source


def _assignment_of(grading: Grading, cells: dict[int, str], named: str, name: str) -> str:
    """Find out which master a notebook answers; nothing if it is none of ours.

    Learning platforms put names and numbers around a file's name, and some editors drop metadata.
    A chapter has the same name as its exercises, but defines none of their functions.
    """
    known = grading.project.masters()
    if named in known:
        return named
    code = "\n".join(cells.values())
    answered = {}
    for slug in known:
        exercises = _master(grading.project, slug).exercises
        found = [each for each in exercises if re.search(rf"^def {each}\b", code, flags=re.M)]
        if found:
            answered[slug] = len(found)
    in_name = [slug for slug in answered if slug in name]
    return next(iter(in_name), max(answered, key=lambda slug: answered[slug], default=named))


def _variant_of(grading: Grading, slug: str, seeded: int | None) -> int:
    """Find out which variant a notebook answers; where it may be any, ask."""
    if not _master(grading.project, slug).varied:
        return 0
    given = grading.seed
    if given is None and seeded is None:
        raise UserError(
            f"{slug} has variants, and the metadata that tell which are gone: grade it again with "
            "SEED= (--seed), 0 if it was assigned without one"
        )
    if None not in (given, seeded) and given != seeded:
        raise UserError(f"made with the seed {seeded}, and those with {given} are graded")
    return (seeded if given is None else given) or 0


@lru_cache
def _master(project: Project, slug: str, seed: int = 0) -> Master:
    return read_master(project.master(slug), seed)


@lru_cache
def _checker(project: Project, slug: str, seed: int) -> Checker:
    return Checker(_master(project, slug, seed))


def _possible(grading: Grading, one: Grade) -> dict[str, float]:
    if not one.checks:
        return {}
    exercises = _master(grading.project, one.assignment).exercises
    return {name: exercise.points for name, exercise in exercises.items()}
