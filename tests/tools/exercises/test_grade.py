"""Grading runs each notebook, and says why one could not be graded."""

import csv
import io

import nbformat
import pytest

from tests.tools.exercises.masters import given_away
from tools.exercises.grade import Grade, grade, grades_table
from tools.project import UserError


def rows(grades):
    return {row["submission"]: row for row in csv.DictReader(io.StringIO(grades_table(grades)))}


def test_notebooks_that_cannot_be_graded_say_why(built, tmp_path):
    (tmp_path / "broken.ipynb").write_text("{")
    plain = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    nbformat.write(plain, tmp_path / "99-small.ipynb")
    other = nbformat.v4.new_notebook(metadata={"otter": {"assignment_name": "98-gone"}})
    nbformat.write(other, tmp_path / "gone.ipynb")
    graded = rows(grade(built, tmp_path))
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
        grade(built, folder)


def test_file_name_cannot_become_a_formula():
    table = grades_table([Grade("=1+1.ipynb", "")])
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
    graded = rows(grade(built, tmp_path))
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
    (graded,) = grade(built, tmp_path, seconds=5)
    assert "stopped after 5 s" in graded.error
