"""The glossary: each of the field's words, in one line, with the chapter that explains it."""

import re

import pytest

from tools.project import Project, UserError, chapters
from tools.site.glossary import terms

LINE = "- **{}**: what it is. [Ten](../notebooks/10-demo.ipynb)\n"


def glossary(folder, text):
    (folder / "book").mkdir(exist_ok=True)
    (folder / "book" / "glossary.md").write_text(text)
    return terms(Project(folder))


def test_a_term_has_its_meaning_and_its_chapter(tmp_path):
    (term,) = glossary(tmp_path, "# Words\n\n" + LINE.format("warm-up"))
    assert (term.word, term.meaning, term.chapter) == ("warm-up", "what it is.", "10-demo")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- **warm-up**: rises.\n", "is no term"),
        (LINE.format("warm-up") + LINE.format("pooling"), "'pooling' is out of order"),
        (LINE.format("pooling") * 2, "'pooling' is out of order, or there twice"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        glossary(tmp_path, text)


def test_no_glossary_has_no_terms(tmp_path):
    assert terms(Project(tmp_path)) == []


def test_a_chapter_has_one_title_everywhere():
    """In the glossary and on its exercises as in the list of the chapters."""
    project = Project()
    titles = {chapter.slug: chapter.title for chapter in chapters(project)}
    text = (project.root / "book" / "glossary.md").read_text("utf-8")
    for title, slug in re.findall(r"\[([^\]]+)\]\(\.\./notebooks/([\w-]+)\.ipynb\)", text):
        assert title == titles[slug]
    for slug in project.masters():
        heading = re.search(r"^# Exercises: (.+)$", project.master(slug).read_text("utf-8"), re.M)
        assert heading is not None, slug
        assert heading[1].lower() == titles[slug].lower()
