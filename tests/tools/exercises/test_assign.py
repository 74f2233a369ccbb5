"""What is given away: no solution to the student, no trace of this machine."""

import nbformat
import pytest

from tests.tools.exercises.masters import BOOK, MASTERS, given_away, sources
from tools.exercises.assign import assign
from tools.exercises.master import read_master


@pytest.mark.parametrize("slug", MASTERS)
def test_notebook_that_readers_open_is_made_from_the_master(built, slug):
    made, committed = built.student_notebook(slug), BOOK.student_notebook(slug)
    assert committed.exists() and made.read_bytes() == committed.read_bytes(), (
        f"{committed} is not what {slug}.md gives: run `make assign` and commit it"
    )


@pytest.mark.parametrize("slug", MASTERS)
def test_student_gets_neither_solutions_nor_hidden_tests_nor_wrong_answers(built, slug):
    student = sources(given_away(built, slug, "student"))
    for exercise in read_master(built.master(slug)).exercises.values():
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
    for exercise in read_master(built.master(slug)).exercises.values():
        for wrong in exercise.wrong_answers:
            assert wrong.source in solution
    assert "SOLUTION" not in solution


@pytest.mark.parametrize("slug", MASTERS)
def test_notebooks_carry_no_trace_of_this_machine(built, slug):
    for kind in ("student", "solution"):
        text = nbformat.writes(given_away(built, slug, kind))
        assert str(built.root) not in text
        assert str(BOOK.root) not in text


def test_assigning_twice_gives_the_same_notebooks(built, monkeypatch):
    monkeypatch.chdir(built.root)
    before = given_away(built, "99-small", "student")
    assign(built, "99-small")
    assert given_away(built, "99-small", "student") == before


@pytest.mark.slow
@pytest.mark.parametrize("slug", MASTERS)
def test_student_notebook_runs_alone_in_an_empty_folder(built, tmp_path, slug):
    """As on Colab: no file beside it, so the visible tests come from the notebook itself."""
    from nbclient import NotebookClient

    notebook = given_away(built, slug, "student")
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path}}).execute()
    said = nbformat.writes(notebook)
    master = read_master(built.master(slug))
    assert said.count("nothing yet") > len(master.exercises)
    assert (tmp_path / ".checks").is_dir()
