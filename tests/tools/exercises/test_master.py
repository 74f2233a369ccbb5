"""A master is read, and refused where a part of it is missing."""

import pytest

from tests.tools.exercises.masters import BOOK, MASTERS, SMALL
from tools.exercises.master import Exercise, read_master
from tools.project import UserError


def small(tmp_path, *changes):
    text = SMALL
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "99-small.md"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("slug", MASTERS)
def test_two_to_four_exercises_a_chapter_of_at_most_an_hour(slug):
    master = read_master(BOOK.master(slug))
    assert 2 <= len(master.exercises) <= 4
    assert sum(exercise.minutes for exercise in master.exercises.values()) <= 60


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ([(', "minutes": 5', "")], "lacks minutes"),
        ([('"easy"', '"trivial"')], "difficulty 'trivial' is none of easy, medium, hard"),
        ([("# BEGIN SOLUTION", "#"), ("# END SOLUTION", "#")], "lacks a solution"),
        ([("[test]", "[other]")], "lacks a visible test"),
        ([("[hidden-test]", "[test]")], "lacks a hidden test"),
        ([("Hint 1", "Help")], "lacks a hint"),
        ([(', "Does the sign get lost?"', "")], "lacks a message for each assert"),
        ([("message: Do you square?\n", "")], "needs the metadata 'message'"),
        ([("message: Does the sign get lost?", "message: Do you square?")], "of 2 answers"),
        ([('+++ {"exercise"', '+++ {"other"')], "before the first exercise"),
    ],
)
def test_incomplete_master_is_refused_with_what_it_lacks(tmp_path, changes, complaint):
    with pytest.raises(UserError) as caught:
        read_master(small(tmp_path, *changes))
    assert complaint in str(caught.value)


def test_unknown_master_is_refused_with_those_there_are(tmp_path):
    small(tmp_path)
    with pytest.raises(UserError, match=r"no exercise master 98-none\.md.*99-small"):
        read_master(tmp_path / "98-none.md")


def test_stub_keeps_signature_and_docstring():
    exercise = Exercise(
        "f",
        1,
        "easy",
        5,
        solution="def f(x):\n    # BEGIN SOLUTION\n    return x\n    # END SOLUTION\n\nkeep = 1",
    )
    assert exercise.stub == "def f(x):\n    ...\n\nkeep = 1"
