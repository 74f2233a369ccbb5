"""Make, prove and grade exercises.

    python -m tools.exercises assign 10     student notebook, solution, autograder, and their proof
    python -m tools.exercises assign 10 --seed 7    the same for a variant of its own
    python -m tools.exercises prove         only the proof, of every master
    python -m tools.exercises mutants 10    whether the tests notice every change of a solution
    python -m tools.exercises grade FOLDER  grade submitted notebooks

What a master looks like is told in `tools.exercises.master`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.exercises.assign import assign
from tools.exercises.grade import Grading, grade
from tools.exercises.master import read_master
from tools.exercises.mutants import fates, mutants_table
from tools.exercises.prove import prove
from tools.exercises.sandbox import Limits
from tools.project import Project, UserError, choose

GRADING = """\
Grading runs what students wrote. Each notebook runs in a process of its own under bubblewrap
(Linux; apt-get install bubblewrap): no network, no files but Python and an empty home, no sight of
the tests, the solutions or other submissions, and limits of time, memory and processes. The tests
run outside of it and get data only. An exercise earns all of its points if every test passes, and
a third of them if only hidden tests fail. Solutions that lie in a public repository are public:
grade for learning, or keep a master of your own in a private one.
A notebook that was drawn with a seed (make assign SEED=7: other numbers, names and texts) names it
in its metadata and is graded with the tests of its variant; where metadata are gone, give --seed.
"""
ANOTHER_SEED = 1  # what is proven of a master with variants, besides the one that readers see


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="exercises", description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, does in (
        ("assign", "make student notebooks, solutions and autograders, and prove them"),
        ("prove", "only run stub, solution and wrong answers against the tests"),
        ("mutants", "change each solution in every mechanical way, and list what no test notices"),
    ):
        command = commands.add_parser(name, help=does)
        command.add_argument("chapters", nargs="*", help="numbers or slugs; all by default")
        command.add_argument(
            "--seed",
            type=_seed,
            help="draw a variant, where a master has any: other numbers, names and texts",
        )
    _add_grading(commands.add_parser("grade", help="grade a folder of submitted notebooks"))
    given = parser.parse_args(arguments)
    project = Project()
    try:
        if given.command == "grade":
            return _grade_command(project, given)
        if given.command == "mutants":
            return _mutants_command(project, given)
        return _assign_command(project, given)
    except UserError as error:
        print(f"exercises: {error}", file=sys.stderr)
        return 2


def _add_grading(command: argparse.ArgumentParser) -> None:
    command.description = GRADING
    limits = Limits()
    command.add_argument("submissions", nargs="?", default="", help="the folder")
    command.add_argument("--chapter", default="", help="what they answer; else each is asked")
    command.add_argument("--output", type=Path, help="a folder; _build/exercises/grades by default")
    command.add_argument(
        "--seed", type=_seed, help="the variant that they answer; else each is asked"
    )
    command.add_argument(
        "--seconds",
        type=float,
        default=limits.seconds,
        help="for the cells of a notebook, and for the checks of each exercise (%(default)g)",
    )
    command.add_argument(
        "--memory",
        type=float,
        default=limits.memory,
        help="GB for all processes of a notebook (%(default)g)",
    )
    command.add_argument(
        "--trust", action="store_true", help="run without bubblewrap, with your own rights"
    )


def _seed(given: str) -> int:
    seed = int(given)
    if not 0 <= seed < 2**63:
        raise argparse.ArgumentTypeError(f"{given} is no seed: take a whole number from 0 on")
    return seed


def _seeds(project: Project, slug: str, given: int | None) -> list[int]:
    """Choose the variants to look at: the one asked for, or two where there are any."""
    varied = read_master(project.master(slug)).varied
    if given and not varied:
        print(f"{slug} has no variants: it is the same for every seed")
    if not varied:
        return [0]
    return [0, ANOTHER_SEED] if given is None else [given]


def _assign_command(project: Project, given: argparse.Namespace) -> int:
    status = 0
    for slug in choose(given.chapters, project.masters(), "exercises are"):
        seeds = _seeds(project, slug, given.seed)
        if given.command == "assign":
            print(f"{slug}: {assign(project, slug, seeds[0])}")
        for seed in seeds:
            status |= _prove(project, slug, seed)
    return status


def _prove(project: Project, slug: str, seed: int) -> int:
    name = f"{slug} (seed {seed})" if seed else slug
    outcomes = prove(project, slug, seed)
    for outcome in outcomes:
        if not outcome.proven:
            wanted = f", expected {outcome.expected!r}" if outcome.expected else ""
            got = f" ({outcome.share:.0%} of the points)"
            print(f"{name}, {outcome.exercise}, {outcome.answer}{got}{wanted}:\n{outcome.said}")
    kept = sum(outcome.proven for outcome in outcomes)
    print(f"{name}: {kept} of {len(outcomes)} answers get what they should")
    return int(kept < len(outcomes))


def _mutants_command(project: Project, given: argparse.Namespace) -> int:
    alive = False
    for slug in choose(given.chapters, project.masters(), "exercises are"):
        # One variant: a mutant takes a run of the tests.
        found = fates(project, slug, _seeds(project, slug, given.seed or 0)[0])
        print(mutants_table(slug, found), flush=True)
        alive |= any(fate.fate == "alive" for fate in found)
    return int(alive)


def _grade_command(project: Project, given: argparse.Namespace) -> int:
    if not given.submissions:
        raise UserError("which folder? make grade SUBMISSIONS=folder-of-notebooks")
    slug = ""
    if given.chapter:
        (slug,) = choose([given.chapter], project.masters(), "exercises are")
    limits = Limits(given.seconds, given.memory)
    grading = Grading(project, slug, limits, given.trust, given.seed)
    output = given.output or project.build / "exercises" / "grades"
    grades = grade(grading, Path(given.submissions), output)
    failed = [one for one in grades if one.error]
    for one in failed:
        print(f"{one.file}: {one.error}", file=sys.stderr)
    print(f"{len(grades) - len(failed)} of {len(grades)} graded: {output / 'grades.csv'}")
    print(f"What each student reads: {output / 'feedback'}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
