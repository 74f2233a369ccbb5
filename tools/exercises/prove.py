"""Prove a master: its stub fails, its solution passes, each wrong answer gets its own message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tools.exercises.master import read_master
from tools.project import Project, UserError


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


def prove(project: Project, slug: str) -> list[Outcome]:
    """Run stub, solution and every wrong answer of a master against the tests that `assign` made.

    Raises
    ------
    UserError
        If `assign` has not been run.
    """
    from otter.test_files.exception_test import ExceptionTestFile

    master = read_master(project.master(slug))
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
