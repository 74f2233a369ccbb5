"""Write down what an instructor enters and what each student reads."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.exercises.checking import Check
from tools.project import write_atomically

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ font: 1rem/1.5 sans-serif; max-width: 45rem; margin: 2rem auto; padding: 0 1rem }}
</style></head><body>
{body}</body></html>
"""
RULE = (
    "An exercise earns all of its points if every check passes, and a third of them if only "
    "checks fail that the notebook does not show."
)


@dataclass(frozen=True)
class Grade:
    """What one submission got, or why it could not be graded.

    Attributes
    ----------
    file : the notebook, seen from the folder of submissions.
    assignment : slug of its master.
    points, possible : what each exercise earned, and what there is to earn in all.
    checks : what the tests of each exercise said.
    notes : what went wrong in its cells.
    error : why it could not be graded.
    seed : which variant it answers.
    """

    file: str
    assignment: str
    points: dict[str, float] = field(default_factory=dict)
    possible: float = 0.0
    checks: dict[str, list[Check]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    error: str = ""
    seed: int = 0

    @property
    def title(self) -> str:
        """The assignment and, where it was drawn, its variant."""
        variant = f" (seed {self.seed})" if self.seed else ""
        return f"{self.assignment or self.file}{variant}"


def grades_table(grades: Sequence[Grade]) -> str:
    """Write grades as CSV: one row a submission, one column an exercise."""
    exercises = sorted({name for grade in grades for name in grade.points})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    heads = ["submission", "assignment", "seed", *exercises]
    writer.writerow([*heads, "total", "possible", "notes", "error"])
    for grade in grades:
        each = [_number(grade.points[name]) if name in grade.points else "" for name in exercises]
        total = _number(sum(grade.points.values()))
        row = [grade.file, grade.assignment, str(grade.seed), *each, total]
        row.append(_number(grade.possible))
        writer.writerow([_harmless(value) for value in (*row, "; ".join(grade.notes), grade.error)])
    return out.getvalue().encode(errors="replace").decode()


def feedback(grade: Grade, possible: dict[str, float]) -> str:
    """Write, in Markdown, what a student reads.

    Parameters
    ----------
    grade
        What the notebook got.
    possible
        What each exercise can earn.
    """
    lines = [f"# Feedback: {_plain(grade.title)}", f"*{_plain(grade.file)}*"]
    if grade.error:
        return "\n\n".join([*lines, _plain(f"Not graded: {grade.error}")]) + "\n"
    total = _number(sum(grade.points.values()))
    lines += [f"**{total} of {_number(grade.possible)} points.** {RULE}"]
    for name, checks in grade.checks.items():
        lines.append(f"## `{name}`: {_number(grade.points[name])} of {_number(possible[name])}")
        lines.append("\n".join(_check_line(check) for check in checks))
    if grade.notes:
        lines += ["## Cells that did not run", "\n".join(f"- {_plain(n)}" for n in grade.notes)]
    return "\n\n".join(lines) + "\n"


def write_feedback(folder: Path, grade: Grade, possible: dict[str, float]) -> None:
    """Write a student's feedback as Markdown and HTML, under the notebook's own name."""
    from markdown_it import MarkdownIt

    text = feedback(grade, possible).encode(errors="replace").decode()
    page = folder / grade.file
    write_atomically(page.with_suffix(".md"), text)
    body = MarkdownIt("commonmark", {"html": False}).render(text)
    html = PAGE.format(title=f"Feedback: {grade.title}", body=body)
    write_atomically(page.with_suffix(".html"), html)


def _check_line(check: Check) -> str:
    about = check.test.removeprefix("test_").replace("_", " ")
    unseen = " (not in the notebook)" if check.hidden else ""
    return f"- {'✓' if check.passed else '✗'} {about}{unseen}" + (
        f": {_plain(check.said)}" if check.said else ""
    )


def _plain(text: str) -> str:
    """Keep what a student wrote from becoming a link, a picture or HTML."""
    return re.sub(r"([\\<*\[])", r"\\\1", " ".join(text.split()))


def _number(points: float) -> str:
    return f"{round(points, 2):g}"


def _harmless(value: str) -> str:
    """Keep a spreadsheet from reading a file's name as a formula."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@") else value
