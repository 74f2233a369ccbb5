"""The command line of the exercises."""

from tools.exercises.__main__ import main


def test_assign_then_prove_from_the_command_line(built, monkeypatch, capsys):
    monkeypatch.setattr("tools.exercises.__main__.Project", lambda: built)
    assert main(["prove", "99"]) == 0
    assert "99-small: 4 of 4 answers get what they should" in capsys.readouterr().out


def test_unknown_chapter_is_named(built, monkeypatch, capsys):
    monkeypatch.setattr("tools.exercises.__main__.Project", lambda: built)
    assert main(["prove", "77"]) == 2
    assert "No exercises are called '77'. There are:" in capsys.readouterr().err


def test_grade_without_a_folder_says_how(capsys):
    assert main(["grade"]) == 2
    assert "make grade SUBMISSIONS=" in capsys.readouterr().err
