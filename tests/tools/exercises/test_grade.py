"""Grading says why a notebook could not be graded, and what each student did wrong."""

import csv
import io
import json
import shutil
import subprocess
import sys

import nbformat
import pytest

from tests.tools.exercises.masters import CONTAINED, given_away
from tests.tools.exercises.submissions import answering, small, without_metadata
from tools.exercises.feedback import Grade, grades_table
from tools.exercises.grade import Grading, grade
from tools.exercises.sandbox import Limits
from tools.project import UserError

pytestmark = CONTAINED


def rows(grades):
    return {row["submission"]: row for row in csv.DictReader(io.StringIO(grades_table(grades)))}


def test_notebooks_that_cannot_be_graded_say_why(built, tmp_path):
    (tmp_path / "broken.ipynb").write_text("{")
    (tmp_path / "list.ipynb").write_text("[]")
    plain = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    nbformat.write(plain, tmp_path / "99-small.ipynb")
    other = nbformat.v4.new_notebook(metadata={"otter": {"assignment_name": "98-gone"}})
    nbformat.write(other, tmp_path / "gone.ipynb")
    graded = rows(grade(Grading(built), tmp_path))
    assert "not a readable notebook" in graded["broken.ipynb"]["error"]
    assert "not a readable notebook" in graded["list.ipynb"]["error"]
    assert "not made from a student notebook" in graded["99-small.ipynb"]["error"]
    assert "no exercises 98-gone: there are 01-the-story" in graded["gone.ipynb"]["error"]
    assert {row["total"] for row in graded.values()} == {"0"}


@pytest.mark.parametrize("made", [True, False])
def test_nothing_to_grade_is_an_error(built, tmp_path, made):
    folder = tmp_path / "submissions"
    if made:
        folder.mkdir()
    with pytest.raises(UserError, match="notebook"):
        grade(Grading(built), folder)


def test_file_name_cannot_become_a_formula():
    table = grades_table([Grade("=1+1.ipynb", "")])
    assert "\n'=1+1.ipynb," in table


def test_without_bubblewrap_grading_refuses_and_says_what_to_do(built, tmp_path, monkeypatch):
    (tmp_path / "one.ipynb").write_text(json.dumps(small(built)))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(UserError) as refused:
        grade(Grading(built), tmp_path)
    for way_out in ("apt-get install bubblewrap", "otter grade", "--trust", "TRUST=1"):
        assert way_out in str(refused.value)
    (one,) = grade(Grading(built, trusted=True), tmp_path)
    assert one.points == {"double": 2}


def test_bubblewrap_that_does_not_work_is_named(built, tmp_path, monkeypatch):
    (tmp_path / "one.ipynb").write_text(json.dumps(small(built)))
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho no namespaces here >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(broken))
    with pytest.raises(UserError, match=r"does not work here \(no namespaces here\)"):
        grade(Grading(built), tmp_path)


def test_assignment_can_be_named_for_every_notebook(built, tmp_path):
    notebook = without_metadata(small(built))
    notebook["cells"] = [cell for cell in notebook["cells"] if "def double" not in cell["source"]]
    (tmp_path / "x.ipynb").write_text(json.dumps(notebook))
    (one,) = grade(Grading(built, "99-small"), tmp_path)
    assert not one.error and one.points == {"double": 0}


def test_cell_after_cell_that_ends_the_process_is_given_up(built, tmp_path):
    notebook = small(built)
    crash = {"cell_type": "code", "source": "import os\nos.abort()"}
    notebook["cells"][:0] = [dict(crash) for _ in range(5)]
    (tmp_path / "x.ipynb").write_text(json.dumps(notebook))
    (one,) = grade(Grading(built), tmp_path)
    assert "cell after cell could not run" in one.error


def test_feedback_holds_hidden_messages_and_no_html_of_the_student(built, tmp_path):
    evil = "def double(x):\n    raise ValueError('<script>alert(1)</script> ![x](http://x/y.png)')"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "evil.ipynb").write_text(json.dumps(small(built, evil)))
    (tmp_path / "in" / "half.ipynb").write_text(json.dumps(small(built, answering("abs(2 * x)"))))
    grade(Grading(built), tmp_path / "in", tmp_path / "out")
    html = (tmp_path / "out" / "feedback" / "evil.html").read_text("utf-8")
    assert "ValueError" in html and "<script" not in html and "<img" not in html
    for ending in ("md", "html"):
        half = (tmp_path / "out" / "feedback" / f"half.{ending}").read_text("utf-8")
        assert "0.67 of 2" in half and "Does the sign get lost?" in half
    grades = (tmp_path / "out" / "grades.csv").read_text("utf-8")
    assert "half.ipynb,99-small,0,0.67,0.67,2" in grades


def test_limits_are_told_apart(built, tmp_path):
    for name, cell in (("loop", "while True: pass"), ("much", "x = b'x' * 2_000_000_000")):
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(small(built, cell=cell)))
    loop, much = grade(Grading(built, limits=Limits(seconds=3, memory=0.3)), tmp_path)
    assert "stopped after 3 s" in loop.notes[0] and "0.3 GB of memory" in much.notes[0]


@pytest.mark.slow
def test_autograder_archive_gives_otter_all_points_for_the_solution(built, tmp_path):
    notebook = given_away(built, "99-small", "solution")
    nbformat.write(notebook, tmp_path / "99-small.ipynb")
    archive = built.build / "exercises" / "99-small" / "autograder.zip"
    command = [sys.executable, "-m", "otter", "run", "--no-logo", "-a", str(archive)]
    command += ["-o", str(tmp_path), str(tmp_path / "99-small.ipynb")]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    results = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert sum(float(test.get("score", 0)) for test in results["tests"]) == 2
