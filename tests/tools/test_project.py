"""The one list of the chapters is read whole, or refused with what is wrong in it."""

import pytest

from tlhelpers.evidence.ledger import CHAPTERS, load_ledger
from tools.project import Chapter, Project, UserError, chapters

LIST = """
- part: Part I. First
  chapters:
    - {slug: 01-one, title: One}
    - {slug: 02-two, title: "Two, more or less", about: what comes next, sweep_minutes: 60}
- part: Part II. Second
  chapters:
    - {slug: 03-three, title: Three}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "chapters.yaml").write_text(LIST)
    return Project(tmp_path)


def test_chapters_come_in_order_with_their_part_and_the_minutes_of_their_sweeps(project):
    one, two, three = chapters(project)
    assert one == Chapter("01-one", "One", "Part I. First", about="", sweep_minutes=30)
    assert (two.number, two.title, two.sweep_minutes) == (2, "Two, more or less", 60)
    assert three.part == "Part II. Second"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("title: One", "titel: One"), r"01-one.*titel.*not known. Use slug, title, about"),
        ((", title: One", ""), r"01-one.*title.*missing"),
        (("title: One", "title: 1"), r"01-one.*title is 1. Write str"),
        (("sweep_minutes: 60", "sweep_minutes: an hour"), r"02-two.*'an hour'. Write int"),
        (("sweep_minutes: 60", "sweep_minutes: 0"), r"02-two.*sweep_minutes is 0. Write 1 or more"),
        (("02-two", "04-two"), r"'04-two' stands at place 2. Number the chapters from 01 on"),
        (("02-two", "2-two"), r"two digits and words"),
        (("- {slug: 03-three, title: Three}", "- 03-three"), r"is no chapter. Write {slug"),
        (("- part: Part II. Second", "- caption: Part II."), r"is not a part. Write '- part:"),
        (("{slug: 01-one", "{slug: 01-one]"), r"book/chapters.yaml cannot be read"),
    ],
)
def test_a_wrong_line_is_named_with_what_to_do(project, change, complaint):
    assert change[0] in LIST
    (project.root / "book" / "chapters.yaml").write_text(LIST.replace(*change))
    with pytest.raises(UserError, match=complaint):
        chapters(project)


def test_a_book_without_its_list_says_so(tmp_path):
    with pytest.raises(UserError, match=r"book/chapters\.yaml cannot be read"):
        chapters(Project(tmp_path))


def test_the_list_has_the_chapters_that_the_ledger_knows():
    assert [chapter.number for chapter in chapters()] == list(CHAPTERS)
    slugs = {chapter.slug for chapter in chapters()}
    for folder in ("", "coverage", "references"):
        files = (load_ledger().folder / folder).glob("[0-9][0-9]-*.yaml")
        assert {path.stem for path in files} <= slugs
    assert {path.stem for path in (Project().root / "book" / "exercises").glob("*.md")} <= slugs
