"""A chapter is read as its reader sees it."""

from tools.contract.chapter_text import CodeCell


def test_blank_lines_do_not_count_and_magics_are_read():
    cell = CodeCell(0, "%pip install x\n\nif a:\n    !ls\n    b = 1\n")
    assert cell.lines == 4
    assert not cell.defines and not cell.shows_something
