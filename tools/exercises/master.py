"""Read an exercise master and check that it is complete.

A master is a MyST-Markdown notebook, ``book/exercises/NN-slug.md``. A Markdown cell with the
metadata ``exercise``, ``points``, ``difficulty`` and ``minutes`` opens an exercise; its code cells
are tagged

- ``solution``: the answer; what stands between ``# BEGIN SOLUTION`` and ``# END SOLUTION`` is cut
  from the student's stub. Its metadata ``equivalent`` lists the mutants that give the same (see
  `tools.exercises.mutants`);
- ``test`` or ``hidden-test``: one function whose parameters are names from the notebook;
- ``wrong-answer``, with the metadata ``message``: an answer that many give, and a part of what the
  tests tell whoever gives it;
- ``inputs``: for each function with equivalent mutants, ``draw_<name>(rng)``, which returns a tuple
  of arguments.

Untagged cells are kept where they are. Numbers, names and texts may differ between students: see
`tools.exercises.variants`.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import jupytext
from nbformat import NotebookNode

from tools.contract.teaching import COLUMNS
from tools.exercises.variants import filled, pools
from tools.project import UserError

DIFFICULTIES = {"easy": "●○○", "medium": "●●○", "hard": "●●●"}
ANSWER_TAGS = ("solution", "test", "hidden-test", "wrong-answer", "inputs")


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
    equivalent: list[str] = field(default_factory=list)
    draws: str = ""

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
    """A parsed master: its cells in order and its exercises by name.

    Attributes
    ----------
    seed : which variant it is.
    varied : whether there are others.
    """

    slug: str
    cells: list[NotebookNode]
    exercises: dict[str, Exercise]
    seed: int = 0
    varied: bool = False

    def given_to(self, name: str) -> list[str]:
        """Return the code that an exercise's answer finds done: the setup and its own cells."""
        found = []
        for cell in self.cells:
            if cell.metadata.get("exercise", name) != name:
                continue
            if answer_role(cell) == "solution":
                break
            if cell.cell_type == "code" and not answer_role(cell):
                found.append(cell.source)
        return found


def answer_role(cell: NotebookNode) -> str:
    """Say which part of an exercise a cell is: one of `ANSWER_TAGS`, or nothing."""
    roles = [tag for tag in ANSWER_TAGS if tag in cell.metadata.get("tags", [])]
    return roles[0] if roles else ""


def read_master(path: Path, seed: int = 0) -> Master:
    """Read a master and check that it is complete.

    Parameters
    ----------
    path
        The master.
    seed
        Which of its variants; without any it is the same for every seed.

    Raises
    ------
    UserError
        If the file is not there, or an exercise lacks a part, or code of a student is too wide.
    """
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.md"))) or "none"
        raise UserError(f"There is no exercise master {path.name}. There are: {known}")
    text = path.read_text("utf-8")
    varied = bool(pools(text, path.name))
    cells = jupytext.reads(filled(text, seed, path.name), fmt="md:myst").cells
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
        elif answer_role(cell):
            raise UserError(f"{where}: a {answer_role(cell)} cell stands before the first exercise")
        if cell.cell_type == "code" and answer_role(cell) in ("", "solution"):
            _check_width(cell.source, where)
    for exercise in exercises.values():
        _check(exercise, path.name)
    if not exercises:
        raise UserError(f"{path.name} has no cell with the metadata 'exercise'")
    return Master(path.stem, cells, exercises, seed if varied else 0, varied)


def _open(cell: NotebookNode, where: str) -> Exercise:
    given = cell.metadata
    missing = [key for key in ("points", "difficulty", "minutes") if key not in given]
    if missing:
        raise UserError(f"{where}: exercise {given['exercise']!r} lacks {', '.join(missing)}")
    if given["difficulty"] not in DIFFICULTIES:
        raise UserError(
            f"{where}: difficulty {given['difficulty']!r} is none of {', '.join(DIFFICULTIES)}"
        )
    return Exercise(given["exercise"], given["points"], given["difficulty"], given["minutes"])


def _collect(cell: NotebookNode, exercise: Exercise, where: str) -> None:
    role = answer_role(cell)
    if role == "solution":
        if exercise.solution:
            raise UserError(f"{where}: exercise {exercise.name!r} has two solutions")
        exercise.solution = cell.source
        exercise.equivalent = list(cell.metadata.get("equivalent", []))
    elif role == "test":
        exercise.tests.append(cell.source)
    elif role == "hidden-test":
        exercise.hidden_tests.append(cell.source)
    elif role == "inputs":
        exercise.draws = cell.source
    elif role == "wrong-answer":
        if not cell.metadata.get("message"):
            raise UserError(f"{where}: a wrong answer needs the metadata 'message'")
        exercise.wrong_answers.append(WrongAnswer(cell.source, str(cell.metadata["message"])))
    elif cell.cell_type == "markdown":
        exercise.hints += cell.source.count("<summary>Hint")


def _check_width(source: str, where: str) -> None:
    for line in source.splitlines():
        if len(line) > COLUMNS:
            start = line.strip()[:50]
            raise UserError(
                f"{where}: students see a line of {len(line)} columns, over {COLUMNS}: {start!r}. "
                "Break it."
            )


def _all_asserts_speak(exercise: Exercise) -> bool:
    tests = "\n".join([*exercise.tests, *exercise.hidden_tests])
    return all(node.msg for node in ast.walk(ast.parse(tests)) if isinstance(node, ast.Assert))


def _check(exercise: Exercise, file: str) -> None:
    lacks = [
        what
        for what, there in (
            ("a solution with # BEGIN and # END SOLUTION", exercise.stub != exercise.solution),
            ("a visible test", exercise.tests),
            ("a hidden test", exercise.hidden_tests),
            ("a hint (<details><summary>Hint ...)", exercise.hints),
            ("a second wrong answer", len(exercise.wrong_answers) >= 2),
            ("a message for each assert of its tests", _all_asserts_speak(exercise)),
        )
        if not there
    ]
    if lacks:
        raise UserError(f"{file}: exercise {exercise.name!r} lacks {'; '.join(lacks)}")
    messages = Counter(wrong.message for wrong in exercise.wrong_answers)
    for message, count in messages.items():
        if count > 1:
            raise UserError(f"{file}: {exercise.name!r} expects {message!r} of {count} answers")
