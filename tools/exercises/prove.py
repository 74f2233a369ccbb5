"""Prove a master: its stub fails, its solution passes, each wrong answer gets its own message."""

from __future__ import annotations

from dataclasses import dataclass

from tools.exercises.checking import Checker, earned
from tools.exercises.master import read_master
from tools.exercises.sandbox import Limits, Sandbox
from tools.project import Project

SECONDS = 600  # for the tests of one answer: our own end, on a busy machine late


@dataclass(frozen=True)
class Outcome:
    """What the tests said to one answer."""

    exercise: str
    answer: str  # "stub", "solution" or "wrong answer 1", ...
    share: float  # of the exercise's points
    said: str
    expected: str = ""

    @property
    def proven(self) -> bool:
        """Whether the tests said what they should, and gave what they should."""
        if self.answer == "solution":
            return self.share == 1
        allowed = 0 if self.answer == "stub" else 1 / 3
        return self.share <= allowed and self.expected in self.said


def prove(project: Project, slug: str, seed: int = 0) -> list[Outcome]:
    """Run stub, solution and every wrong answer of a master against its tests, as grading does.

    They are our own, so the process that they run in is not contained.
    """
    master = read_master(project.master(slug), seed)
    checker = Checker(master)
    outcomes = []
    with Sandbox(Limits(seconds=SECONDS), trusted=True) as process:
        for name, exercise in master.exercises.items():
            process.restart_clock()
            for source in master.given_to(name):
                process.ask("run", cell=f"before {name}", source=source)
            process.ask("save")
            answers = [("stub", exercise.stub, "nothing yet"), ("solution", exercise.solution, "")]
            for number, wrong in enumerate(exercise.wrong_answers, start=1):
                answers.append((f"wrong answer {number}", wrong.source, wrong.message))
            for label, source, expected in answers:
                process.restart_clock()
                process.ask("restore")
                process.ask("run", cell=label, source=source)
                checks = checker.check(name, process)
                said = "\n".join(f"{check.test}: {check.said}" for check in checks if check.said)
                outcomes.append(Outcome(name, label, earned(1, checks), said, expected))
            process.ask("restore")
            process.ask("run", cell=name, source=exercise.solution)
    return outcomes
