"""Exercises: each stub fails, each solution passes, each wrong answer gets its own message."""

import csv
import io
import shutil
from pathlib import Path

import nbformat
import pytest

from tools.exercises import exercises
from tools.project import Project, UserError

ROOT = Path(__file__).parents[1]
MASTERS = sorted(path.stem for path in (ROOT / "book" / "exercises").glob("*.md"))

pytest.importorskip("otter", reason="pip install tlhelpers[instructors]")

SMALL = """\
# Small

```{code-cell} ipython3
import math
```

+++ {"exercise": "double", "points": 2, "difficulty": "easy", "minutes": 5}

## Doubling

<details><summary>Hint 1</summary>

Add it to itself.

</details>

```{code-cell} ipython3
:tags: [solution]

def double(x):
    # BEGIN SOLUTION
    return 2 * x
    # END SOLUTION
```

```{code-cell} ipython3
:tags: [test]

def test_three(double):
    assert double(3) is not None, "double() returns nothing yet."
    assert double(3) == 6, "Do you square?"
```

```{code-cell} ipython3
:tags: [hidden-test]

def test_minus_one(double):
    assert double(-1) == -2, "Does the sign get lost?"
```

```{code-cell} ipython3
---
tags: [wrong-answer]
message: Do you square?
---
def double(x):
    return x * x
```

```{code-cell} ipython3
---
tags: [wrong-answer]
message: Does the sign get lost?
---
def double(x):
    return abs(2 * x)
```

An afterthought.
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """All masters of the book, assigned in a folder of their own."""
    root = tmp_path_factory.mktemp("book-of-exercises")
    shutil.copytree(ROOT / "book" / "exercises", root / "book" / "exercises")
    (root / "book" / "exercises" / "99-small.md").write_text(SMALL, "utf-8")
    project = Project(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for slug in (*MASTERS, "99-small"):
            exercises.assign(project, slug)
    return project


def small(tmp_path, *changes):
    text = SMALL
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "99-small.md"
    path.write_text(text, "utf-8")
    return path


def given_away(project, slug, kind):
    solution = project.build / "exercises" / slug / "solution" / f"{slug}.ipynb"
    path = project.student_notebook(slug) if kind == "student" else solution
    return nbformat.read(path, as_version=4)


def sources(notebook):
    return "\n".join(cell.source for cell in notebook.cells)


@pytest.mark.parametrize("slug", MASTERS)
def test_notebook_that_readers_open_is_made_from_the_master(built, slug):
    made, committed = built.student_notebook(slug), Project(ROOT).student_notebook(slug)
    assert committed.exists() and made.read_bytes() == committed.read_bytes(), (
        f"{committed} is not what {slug}.md gives: run `make assign` and commit it"
    )


# Proof, for every master of the book


@pytest.mark.parametrize("slug", MASTERS)
def test_stub_fails_solution_passes_and_each_wrong_answer_gets_its_message(built, slug):
    outcomes = exercises.prove(built, slug)
    failed = [
        f"{o.exercise}, {o.answer}, expected {o.expected!r}: {o.said}"
        for o in outcomes
        if not o.proven
    ]
    assert not failed, "\n\n".join(failed)
    for name in {outcome.exercise for outcome in outcomes}:
        answers = [outcome.answer for outcome in outcomes if outcome.exercise == name]
        assert answers[:4] == ["stub", "solution", "wrong answer 1", "wrong answer 2"]


@pytest.mark.parametrize("slug", MASTERS)
def test_two_to_four_exercises_a_chapter_of_at_most_an_hour(slug):
    master = exercises.read_master(ROOT / "book" / "exercises" / f"{slug}.md")
    assert 2 <= len(master.exercises) <= 4
    assert sum(exercise.minutes for exercise in master.exercises.values()) <= 60


@pytest.mark.parametrize("slug", MASTERS)
def test_student_gets_neither_solutions_nor_hidden_tests_nor_wrong_answers(built, slug):
    student = sources(given_away(built, slug, "student"))
    for exercise in exercises.read_master(
        built.root / f"book/exercises/{slug}.md"
    ).exercises.values():
        assert exercise.stub in student
        assert f'grader.check("{exercise.name}")' in student
        for test in exercise.hidden_tests:
            assert test.splitlines()[0] not in student
        for wrong in exercise.wrong_answers:
            assert wrong.source not in student
    assert "SOLUTION" not in student


@pytest.mark.parametrize("slug", MASTERS)
def test_solution_notebook_shows_answers_and_what_goes_wrong(built, slug):
    solution = sources(given_away(built, slug, "solution"))
    for exercise in exercises.read_master(
        built.root / f"book/exercises/{slug}.md"
    ).exercises.values():
        for wrong in exercise.wrong_answers:
            assert wrong.source in solution
    assert "SOLUTION" not in solution


@pytest.mark.parametrize("slug", MASTERS)
def test_notebooks_carry_no_trace_of_this_machine(built, slug):
    for kind in ("student", "solution"):
        text = nbformat.writes(given_away(built, slug, kind))
        assert str(built.root) not in text
        assert str(ROOT) not in text


def test_assigning_twice_gives_the_same_notebooks(built, monkeypatch):
    monkeypatch.chdir(built.root)
    before = given_away(built, "99-small", "student")
    exercises.assign(built, "99-small")
    assert given_away(built, "99-small", "student") == before


# What a proof notices


def changed(built, old, new):
    path = built.root / "book" / "exercises" / "99-small.md"
    assert old in SMALL
    path.write_text(SMALL.replace(old, new), "utf-8")
    try:
        return {o.answer: o for o in exercises.prove(built, "99-small")}
    finally:
        path.write_text(SMALL, "utf-8")


def test_wrong_answer_that_passes_is_noticed(built):
    assert not changed(built, "return x * x", "return x + x")["wrong answer 1"].proven


def test_wrong_answer_with_another_message_is_noticed(built):
    assert not changed(built, "message: Do you square?", "message: Do you cube?")[
        "wrong answer 1"
    ].proven


def test_solution_that_fails_is_noticed(built):
    assert not changed(built, "return 2 * x\n", "return 3 * x\n")["solution"].proven


def test_stub_that_passes_is_noticed(built):
    outcome = changed(built, "# END SOLUTION\n", "# END SOLUTION\n    return 2 * x\n")
    assert not outcome["stub"].proven


# What a master needs


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ([(', "minutes": 5', "")], "lacks minutes"),
        ([('"easy"', '"trivial"')], "difficulty 'trivial' is none of easy, medium, hard"),
        ([("# BEGIN SOLUTION", "#"), ("# END SOLUTION", "#")], "lacks a solution"),
        ([("[test]", "[other]")], "lacks a visible test"),
        ([("[hidden-test]", "[test]")], "lacks a hidden test"),
        ([("Hint 1", "Help")], "lacks a hint"),
        ([("message: Do you square?\n", "")], "needs the metadata 'message'"),
        ([("message: Does the sign get lost?", "message: Do you square?")], "of 2 answers"),
        ([('+++ {"exercise"', '+++ {"other"')], "before the first exercise"),
    ],
)
def test_incomplete_master_is_refused_with_what_it_lacks(tmp_path, changes, complaint):
    with pytest.raises(UserError) as caught:
        exercises.read_master(small(tmp_path, *changes))
    assert complaint in str(caught.value)


def test_unknown_master_is_refused_with_those_there_are(tmp_path):
    small(tmp_path)
    with pytest.raises(UserError, match=r"no exercise master 98-none\.md.*99-small"):
        exercises.read_master(tmp_path / "98-none.md")


def test_stub_keeps_signature_and_docstring():
    exercise = exercises.Exercise(
        "f",
        1,
        "easy",
        5,
        solution="def f(x):\n    # BEGIN SOLUTION\n    return x\n    # END SOLUTION\n\nkeep = 1",
    )
    assert exercise.stub == "def f(x):\n    ...\n\nkeep = 1"


# Grading


def rows(grades):
    return {
        row["submission"]: row
        for row in csv.DictReader(io.StringIO(exercises.grades_table(grades)))
    }


def test_notebooks_that_cannot_be_graded_say_why(built, tmp_path):
    (tmp_path / "broken.ipynb").write_text("{")
    plain = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    nbformat.write(plain, tmp_path / "99-small.ipynb")
    other = nbformat.v4.new_notebook(metadata={"otter": {"assignment_name": "98-gone"}})
    nbformat.write(other, tmp_path / "gone.ipynb")
    graded = rows(exercises.grade(built, tmp_path))
    assert "not a readable notebook" in graded["broken.ipynb"]["error"]
    assert "not made from any of our student notebooks" in graded["99-small.ipynb"]["error"]
    assert "no autograder for 98-gone" in graded["gone.ipynb"]["error"]
    assert {row["total"] for row in graded.values()} == {"0"}


@pytest.mark.parametrize("made", [True, False])
def test_nothing_to_grade_is_an_error(built, tmp_path, made):
    folder = tmp_path / "submissions"
    if made:
        folder.mkdir()
    with pytest.raises(UserError, match="notebook"):
        exercises.grade(built, folder)


def test_file_name_cannot_become_a_formula():
    table = exercises.grades_table([exercises.Grade("=1+1.ipynb", "")])
    assert "\n'=1+1.ipynb," in table


@pytest.mark.slow
def test_grading_runs_each_notebook_and_gives_points_by_exercise(built, tmp_path):
    stub = given_away(built, "99-small", "student")
    stub.metadata["kernelspec"]["name"] = "a-kernel-of-the-student"
    nbformat.write(stub, tmp_path / "stub.ipynb")
    solved = given_away(built, "99-small", "solution")
    nbformat.write(solved, tmp_path / "solved.ipynb")
    del solved.metadata["otter"]
    half = next(cell for cell in solved.cells if "return 2 * x" in cell.source)
    half.source = "def double(x):\n    return abs(2 * x)"
    nbformat.write(solved, tmp_path / "99-small (1).ipynb")
    graded = rows(exercises.grade(built, tmp_path))
    assert {name: row["double"] for name, row in graded.items()} == {
        "stub.ipynb": "0",
        "solved.ipynb": "2",
        "99-small (1).ipynb": "1",
    }
    assert {row["possible"] for row in graded.values()} == {"2"}


@pytest.mark.slow
def test_endless_loop_is_stopped(built, tmp_path):
    notebook = given_away(built, "99-small", "student")
    notebook.cells.append(nbformat.v4.new_code_cell("while True:\n    pass"))
    nbformat.write(notebook, tmp_path / "loop.ipynb")
    (grade,) = exercises.grade(built, tmp_path, seconds=5)
    assert "stopped after 5 s" in grade.error


@pytest.mark.slow
@pytest.mark.parametrize("slug", MASTERS)
def test_student_notebook_runs_alone_in_an_empty_folder(built, tmp_path, slug):
    """As on Colab: no file beside it, so the visible tests come from the notebook itself."""
    from nbclient import NotebookClient

    notebook = given_away(built, slug, "student")
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path}}).execute()
    said = nbformat.writes(notebook)
    master = exercises.read_master(built.root / f"book/exercises/{slug}.md")
    assert said.count("nothing yet") > len(master.exercises)
    assert (tmp_path / ".checks").is_dir()


# The command line


def test_assign_then_prove_from_the_command_line(built, monkeypatch, capsys):
    monkeypatch.setattr(exercises, "Project", lambda: built)
    assert exercises.main(["prove", "99"]) == 0
    assert "99-small: 4 of 4 answers get what they should" in capsys.readouterr().out


def test_unknown_chapter_is_named(built, monkeypatch, capsys):
    monkeypatch.setattr(exercises, "Project", lambda: built)
    assert exercises.main(["prove", "77"]) == 2
    assert "No exercises are called '77'. There are:" in capsys.readouterr().err


def test_grade_without_a_folder_says_how(capsys):
    assert exercises.main(["grade"]) == 2
    assert "make grade SUBMISSIONS=" in capsys.readouterr().err
