"""Make, prove and grade exercises.

    python -m tools.exercises assign 10     student notebook, solution, autograder, and their proof
    python -m tools.exercises prove         only the proof, of every master
    python -m tools.exercises grade FOLDER  grade submitted notebooks

What a master looks like is told in `tools.exercises.master`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.exercises.assign import assign
from tools.exercises.grade import SECONDS_TO_GRADE, grade, grades_table
from tools.exercises.prove import prove
from tools.project import Project, UserError, choose, write_atomically


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
    for slug in choose(given.chapters, project.masters(), "exercises are"):
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
