"""The command line of the exercises."""

import json

import pytest

from tests.tools.exercises.masters import CONTAINED
from tests.tools.exercises.submissions import small
from tools.exercises.__main__ import main


def test_assign_then_prove_from_the_command_line(built, monkeypatch, capsys):
    monkeypatch.setattr("tools.exercises.__main__.Project", lambda: built)
    assert main(["prove", "99"]) == 0
    assert "99-small: 4 of 4 answers get what they should" in capsys.readouterr().out


def test_mutants_from_the_command_line(built, monkeypatch, capsys):
    monkeypatch.setattr("tools.exercises.__main__.Project", lambda: built)
    assert main(["mutants", "99"]) == 0
    name, total, killed, equivalent, alive = capsys.readouterr().out.splitlines()[1].split()
    assert (name, killed, equivalent, alive) == ("double", total, "0", "0") and int(total) > 4


def test_unknown_chapter_is_named(built, monkeypatch, capsys):
    monkeypatch.setattr("tools.exercises.__main__.Project", lambda: built)
    assert main(["prove", "77"]) == 2
    assert "No exercises are called '77'. There are:" in capsys.readouterr().err


def test_grade_without_a_folder_says_how(capsys):
    assert main(["grade"]) == 2
    assert "make grade SUBMISSIONS=" in capsys.readouterr().err


def test_help_says_that_notebooks_are_run_and_how(capsys):
    with pytest.raises(SystemExit):
        main(["grade", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for part in ("runs what students wrote", "bubblewrap", "--trust", "public", "--seconds"):
        assert part in said


@CONTAINED
def test_grade_from_the_command_line(built, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tools.exercises.__main__.Project", lambda: built)
    (tmp_path / "one.ipynb").write_text(json.dumps(small(built)))
    output = tmp_path / "out"
    assert main(["grade", str(tmp_path), "--chapter", "99", "--output", str(output)]) == 0
    assert "1 of 1 graded" in capsys.readouterr().out
    assert (output / "grades.csv").exists() and (output / "feedback" / "one.html").exists()
