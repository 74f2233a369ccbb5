"""Turn an exercise master into student notebook, solution and autograder, prove it, grade with it.

A master is a MyST-Markdown notebook, ``book/exercises/NN-slug.md``. A Markdown cell with the
metadata ``exercise``, ``points``, ``difficulty`` and ``minutes`` opens an exercise; its code cells
are tagged

- ``solution``: the answer; what stands between ``# BEGIN SOLUTION`` and ``# END SOLUTION`` is cut
  from the student's stub;
- ``test`` or ``hidden-test``: one function whose parameters are names from the notebook;
- ``wrong-answer``, with the metadata ``message``: an answer that many give, and a part of what the
  tests tell whoever gives it.

Untagged cells are kept where they are. otter-grader makes the rest of it.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import psutil
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from tools.project import Project, UserError, write_atomically

Cell = nbformat.NotebookNode

DIFFICULTIES = {"easy": "●○○", "medium": "●●○", "hard": "●●●"}
ANSWER_TAGS = ("solution", "test", "hidden-test", "wrong-answer")
# What an autograder in a container installs; here everything is installed already.
REQUIREMENTS = ["numpy", "pandas", "scikit-learn", "torch", "transformers"]
CHECKS_FOLDER = ".checks"
SECONDS_TO_GRADE = 300


@dataclass(frozen=True)
class WrongAnswer:
    """An answer that many give, and a part of the message that names the misconception."""

    source: str
    message: str


@dataclass
class Exercise:
    """One exercise of a master; its name is the name of the function to write."""

    name: str
    points: int
    difficulty: str
    minutes: int
    solution: str = ""
    tests: list[str] = field(default_factory=list)
    hidden_tests: list[str] = field(default_factory=list)
    wrong_answers: list[WrongAnswer] = field(default_factory=list)
    hints: int = 0

    @property
    def facts(self) -> str:
        """The line under the heading."""
        points = f"{self.points} point{'s' if self.points != 1 else ''}"
        return (
            f"*Difficulty: {DIFFICULTIES[self.difficulty]} {self.difficulty} · "
            f"about {self.minutes} minutes · {points}*"
        )

    @property
    def stub(self) -> str:
        """The solution without what the student is to write."""
        pattern = r"^([ \t]*)# BEGIN SOLUTION\n.*?^[ \t]*# END SOLUTION"
        return re.sub(pattern, r"\1...", self.solution, flags=re.S | re.M)


@dataclass(frozen=True)
class Master:
    """A parsed master: its cells in order and its exercises by name."""

    slug: str
    cells: list[Cell]
    exercises: dict[str, Exercise]

    def given_to(self, name: str) -> list[str]:
        """Return the code that an exercise's answer finds done: the setup and its own cells."""
        found = []
        for cell in self.cells:
            if cell.metadata.get("exercise", name) != name:
                continue
            if _role(cell) == "solution":
                break
            if cell.cell_type == "code" and not _role(cell):
                found.append(cell.source)
        return found


@dataclass(frozen=True)
class Outcome:
    """What the tests said to one answer."""

    exercise: str
    answer: str  # "stub", "solution" or "wrong answer 1", ...
    passed: bool
    said: str
    expected: str = ""

    @property
    def proven(self) -> bool:
        """Whether the tests said what they should."""
        if self.answer == "solution":
            return self.passed
        return not self.passed and self.expected in self.said


def _role(cell: Cell) -> str:
    roles = [tag for tag in ANSWER_TAGS if tag in cell.metadata.get("tags", [])]
    return roles[0] if roles else ""


def read_master(path: Path) -> Master:
    """Read a master and check that it is complete.

    Raises
    ------
    UserError
        If the file is not there, or an exercise lacks a part.
    """
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.md"))) or "none"
        raise UserError(f"There is no exercise master {path.name}. There are: {known}")
    cells = jupytext.reads(path.read_text("utf-8"), fmt="md:myst").cells
    exercises: dict[str, Exercise] = {}
    current: Exercise | None = None
    for number, cell in enumerate(cells, start=1):
        where = f"{path.name}, cell {number}"
        if "exercise" in cell.metadata:
            current = _open(cell, where)
            if current.name in exercises:
                raise UserError(f"{where}: there are two exercises called {current.name!r}")
            exercises[current.name] = current
        if current is not None:
            _collect(cell, current, where)
            cell.metadata["exercise"] = current.name
        elif _role(cell):
            raise UserError(f"{where}: a {_role(cell)} cell stands before the first exercise")
    for exercise in exercises.values():
        _check(exercise, path.name)
    if not exercises:
        raise UserError(f"{path.name} has no cell with the metadata 'exercise'")
    return Master(path.stem, cells, exercises)


def _open(cell: Cell, where: str) -> Exercise:
    given = cell.metadata
    missing = [key for key in ("points", "difficulty", "minutes") if key not in given]
    if missing:
        raise UserError(f"{where}: exercise {given['exercise']!r} lacks {', '.join(missing)}")
    if given["difficulty"] not in DIFFICULTIES:
        raise UserError(
            f"{where}: difficulty {given['difficulty']!r} is none of {', '.join(DIFFICULTIES)}"
        )
    return Exercise(given["exercise"], given["points"], given["difficulty"], given["minutes"])


def _collect(cell: Cell, exercise: Exercise, where: str) -> None:
    role = _role(cell)
    if role == "solution":
        if exercise.solution:
            raise UserError(f"{where}: exercise {exercise.name!r} has two solutions")
        exercise.solution = cell.source
    elif role == "test":
        exercise.tests.append(cell.source)
    elif role == "hidden-test":
        exercise.hidden_tests.append(cell.source)
    elif role == "wrong-answer":
        if not cell.metadata.get("message"):
            raise UserError(f"{where}: a wrong answer needs the metadata 'message'")
        exercise.wrong_answers.append(WrongAnswer(cell.source, str(cell.metadata["message"])))
    elif cell.cell_type == "markdown":
        exercise.hints += cell.source.count("<summary>Hint")


def _check(exercise: Exercise, file: str) -> None:
    lacks = [
        what
        for what, there in (
            ("a solution with # BEGIN and # END SOLUTION", exercise.stub != exercise.solution),
            ("a visible test", exercise.tests),
            ("a hidden test", exercise.hidden_tests),
            ("a hint (<details><summary>Hint ...)", exercise.hints),
            ("a second wrong answer", len(exercise.wrong_answers) >= 2),
        )
        if not there
    ]
    if lacks:
        raise UserError(f"{file}: exercise {exercise.name!r} lacks {'; '.join(lacks)}")
    messages = Counter(wrong.message for wrong in exercise.wrong_answers)
    for message, count in messages.items():
        if count > 1:
            raise UserError(f"{file}: {exercise.name!r} expects {message!r} of {count} answers")


def otter_master(master: Master) -> nbformat.NotebookNode:
    """Write the master in otter's own format, with raw cells that open and close each part."""
    config = {
        "name": master.slug,
        "init_cell": False,  # ours works on Colab too, see _setup_cell
        "export_cell": False,  # does not work on Colab; the notebook itself is handed in
        "tests": {"files": True, "ok_format": False},
        "requirements": REQUIREMENTS,
    }
    cells = [new_raw_cell(f"# ASSIGNMENT CONFIG\n{json.dumps(config)}")]
    opened: set[str] = set()
    for cell in master.cells:
        exercise = master.exercises.get(cell.metadata.get("exercise", ""))
        if exercise and exercise.name not in opened:
            opened.add(exercise.name)
            opening = f"# BEGIN QUESTION\nname: {exercise.name}\npoints: {exercise.points}"
            cells += [new_raw_cell(opening), _with_facts(cell, exercise)]
        elif exercise and _role(cell) == "solution":
            cells += _answer_and_tests(exercise)
        elif not _role(cell):
            cells.append(_bare(cell))
    return new_notebook(cells=cells, metadata={"kernelspec": _kernel()})


def _answer_and_tests(exercise: Exercise) -> list[Cell]:
    hidden = [f"# HIDDEN\n{test}" for test in exercise.hidden_tests]
    return [
        new_raw_cell("# BEGIN SOLUTION"),
        new_code_cell(exercise.solution),
        new_raw_cell("# END SOLUTION"),
        new_raw_cell("# BEGIN TESTS"),
        *(new_code_cell(test) for test in [*exercise.tests, *hidden]),
        new_raw_cell("# END TESTS"),
        new_raw_cell("# END QUESTION"),
    ]


def _bare(cell: Cell) -> Cell:
    return (
        new_code_cell(cell.source) if cell.cell_type == "code" else new_markdown_cell(cell.source)
    )


def _with_facts(cell: Cell, exercise: Exercise) -> Cell:
    heading, _, rest = cell.source.partition("\n")
    return new_markdown_cell(f"{heading}\n\n{exercise.facts}\n{rest}")


def _kernel() -> dict[str, str]:
    return {"display_name": "Python 3", "language": "python", "name": "python3"}


def assign(project: Project, slug: str) -> Path:
    """Make everything that is given away from one master.

    Parameters
    ----------
    project
        Whose ``book/exercises`` to read.
    slug
        The master's name without ending.

    Returns
    -------
    Path
        ``_build/exercises/<slug>`` with ``solution/<slug>.ipynb``, ``autograder.zip`` and, for the
        proof, ``tests/<exercise>.py``. The student's notebook goes to ``notebooks/exercises``,
        where readers and Colab find it.

    Raises
    ------
    UserError
        If the master is incomplete.
    """
    master = read_master(_source(project, slug))
    with tempfile.TemporaryDirectory() as scratch:
        made = _run_otter_assign(master, Path(scratch))
        student = nbformat.read(made / "student" / f"{slug}.ipynb", as_version=4)
        solved = nbformat.read(made / "autograder" / f"{slug}.ipynb", as_version=4)
        visible = {p.stem: p.read_text("utf-8") for p in (made / "student/tests").glob("*.py")}
        every = {p.stem: p.read_text("utf-8") for p in (made / "autograder/tests").glob("*.py")}
        target = project.build / "exercises" / slug
        _write_notebook(project.student_notebook(slug), student, visible)
        _show_wrong_answers(solved, master)
        _write_notebook(target / "solution" / f"{slug}.ipynb", solved, every)
        (archive,) = (made / "autograder").glob("*.zip")
        write_atomically(target / "autograder.zip", archive.read_bytes())
        for name, test in every.items():
            write_atomically(target / "tests" / f"{name}.py", test)
    return target


def _source(project: Project, slug: str) -> Path:
    return project.root / "book" / "exercises" / f"{slug}.md"


def _run_otter_assign(master: Master, folder: Path) -> Path:
    import otter.assign

    path = folder / f"{master.slug}.ipynb"
    nbformat.write(otter_master(master), path)
    # Our own proof runs the solution against the tests, in-process and in a fraction of the time.
    otter.assign.main(str(path), str(folder / "made"), no_pdfs=True, no_run_tests=True)
    return folder / "made"


def _write_notebook(path: Path, notebook: Any, tests: dict[str, str]) -> None:  # noqa: ANN401
    at = next(i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    notebook.cells.insert(at, _setup_cell(tests))
    notebook.cells.append(
        new_markdown_cell(
            "---\n\nTo hand in: save this notebook and give its file (`.ipynb`) to your instructor."
        )
    )
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:03}"  # two runs give the same file
        if cell.cell_type == "code":
            cell.source = re.sub(r"^[ \t]*# (BEGIN|END) SOLUTION\n?", "", cell.source, flags=re.M)
    write_atomically(path, nbformat.writes(nbformat.from_dict(notebook), version=4) + "\n")


def _setup_cell(tests: dict[str, str]) -> Cell:
    """Carry the visible tests inside the notebook: on Colab there is no file beside it."""
    listed = "".join(f"    {name!r}: {test!r},\n" for name, test in sorted(tests.items()))
    source = (
        "# @title Run this first: it sets up the checks\n"
        "from pathlib import Path\n\n"
        "try:\n"
        "    import otter\n"
        "except ModuleNotFoundError:  # on Colab\n"
        "    %pip install -q otter-grader\n"
        "    import otter\n\n"
        f"checks = {{\n{listed}}}\n"
        f"Path({CHECKS_FOLDER!r}).mkdir(exist_ok=True)\n"
        "for name, check in checks.items():\n"
        f"    Path({CHECKS_FOLDER!r}, name + '.py').write_text(check, 'utf-8')\n"
        f"grader = otter.Notebook(tests_dir={CHECKS_FOLDER!r})"
    )
    folded = {"cellView": "form", "jupyter": {"source_hidden": True}, "tags": ["hide-input"]}
    return new_code_cell(source, metadata=folded)


def _show_wrong_answers(notebook: Any, master: Master) -> None:  # noqa: ANN401
    """List, after each check of the solution, the wrong answers and what each is told."""
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        source = cell.source if isinstance(cell.source, str) else "".join(cell.source)
        checked = re.fullmatch(r'grader\.check\("(\w+)"\)', source.strip())
        if checked:
            wrong = "\n\n".join(
                f"*{answer.message}*\n\n```python\n{answer.source}\n```"
                for answer in master.exercises[checked[1]].wrong_answers
            )
            folded = f"<details><summary>Wrong answers</summary>\n\n{wrong}\n\n</details>"
            cells.append(new_markdown_cell(folded))
    notebook.cells = cells


def prove(project: Project, slug: str) -> list[Outcome]:
    """Run stub, solution and every wrong answer of a master against the tests that `assign` made.

    Raises
    ------
    UserError
        If `assign` has not been run.
    """
    from otter.test_files.exception_test import ExceptionTestFile

    master = read_master(_source(project, slug))
    outcomes = []
    given: dict[str, Any] = {"__name__": "exercise"}
    for name, exercise in master.exercises.items():
        for source in master.given_to(name):
            exec(compile(source, f"{slug}, before {name}", "exec"), given)
        test_file = project.build / "exercises" / slug / "tests" / f"{name}.py"
        if not test_file.exists():
            raise UserError(f"{test_file} is missing: run `make assign` first")
        answers = [("stub", exercise.stub, "nothing yet"), ("solution", exercise.solution, "")]
        for number, wrong in enumerate(exercise.wrong_answers, start=1):
            answers.append((f"wrong answer {number}", wrong.source, wrong.message))
        for label, source, expected in answers:
            space = dict(given)
            exec(compile(source, f"{slug}, {name}, {label}", "exec"), space)
            tests = ExceptionTestFile.from_file(str(test_file))
            tests.run(space)
            said = tests.summary()
            outcomes.append(Outcome(name, label, tests.passed_all, said, expected))
        exec(compile(exercise.solution, f"{slug}, {name}", "exec"), given)
    return outcomes


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
    notebook.metadata["kernelspec"] = _kernel()  # the student's may not exist here
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


def _slugs(project: Project, names: Sequence[str]) -> list[str]:
    known = sorted(path.stem for path in (project.root / "book" / "exercises").glob("*.md"))
    chosen = []
    for name in names:
        wanted = name.zfill(2) if name.isdigit() else Path(name).stem
        fitting = [slug for slug in known if slug == wanted or slug.startswith(f"{wanted}-")]
        if len(fitting) != 1:
            raise UserError(f"No exercises are called {name!r}. There are: {', '.join(known)}")
        chosen += fitting
    return chosen or known


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="exercises", description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, does in (
        ("assign", "make student notebooks, solutions and autograders, and prove them"),
        ("prove", "only run stub, solution and wrong answers against the tests"),
    ):
        command = commands.add_parser(name, help=does)
        command.add_argument("chapters", nargs="*", help="numbers or slugs; all by default")
    grading = commands.add_parser("grade", help="grade a folder of submitted notebooks")
    grading.add_argument("submissions", nargs="?", default="", help="the folder")
    grading.add_argument("--output", type=Path, help="CSV file; _build/exercises/grades.csv")
    grading.add_argument("--seconds", type=int, default=SECONDS_TO_GRADE, help="limit for each")
    given = parser.parse_args(arguments)
    project = Project()
    try:
        if given.command == "grade":
            return _grade_command(project, given)
        return _assign_command(project, given)
    except UserError as error:
        print(f"exercises: {error}", file=sys.stderr)
        return 2


def _assign_command(project: Project, given: argparse.Namespace) -> int:
    status = 0
    for slug in _slugs(project, given.chapters):
        if given.command == "assign":
            print(f"{slug}: {assign(project, slug)}")
        outcomes = prove(project, slug)
        for outcome in outcomes:
            if not outcome.proven:
                status = 1
                wanted = f", expected {outcome.expected!r}" if outcome.expected else ""
                print(f"{slug}, {outcome.exercise}, {outcome.answer}{wanted}:\n{outcome.said}")
        kept = sum(outcome.proven for outcome in outcomes)
        print(f"{slug}: {kept} of {len(outcomes)} answers get what they should")
    return status


def _grade_command(project: Project, given: argparse.Namespace) -> int:
    if not given.submissions:
        raise UserError("which folder? make grade SUBMISSIONS=folder-of-notebooks")
    grades = grade(project, Path(given.submissions), given.seconds)
    output = given.output or project.build / "exercises" / "grades.csv"
    write_atomically(output, grades_table(grades))
    failed = [one for one in grades if one.error]
    for one in failed:
        print(f"{one.file}: {one.error}", file=sys.stderr)
    print(f"{len(grades) - len(failed)} of {len(grades)} graded: {output}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
