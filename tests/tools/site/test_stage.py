"""The renderer gets the executed chapters and the book's pages, and sees only what changed."""

import nbformat
import pytest

from tools.project import Project, UserError
from tools.site import stage

TOC = """
format: jb-book
root: book/index
parts:
  - caption: Practice
    chapters:
      - file: notebooks/10-demo
      - file: book/glossary
"""


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path)
    (tmp_path / "book" / "_static").mkdir(parents=True)
    (tmp_path / "book" / "claims").mkdir()
    (tmp_path / "_toc.yml").write_text(TOC)
    (tmp_path / "_config.yml").write_text("title: Demo\n")
    (tmp_path / "book" / "index.md").write_text("# Demo\n")
    (tmp_path / "book" / "glossary.md").write_text("# Words\n")
    (tmp_path / "book" / "_static" / "book.css").write_text("a {}\n")
    (tmp_path / "book" / "claims" / "README.md").write_text("# Not a page\n")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Ten")])
    for path in (project.notebook("10-demo"), project.executed("10-demo", "tiny")):
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
    return project


@pytest.fixture(autouse=True)
def no_generated_pages(monkeypatch):
    monkeypatch.setattr(stage, "write_pages", lambda folder: None)


def staged(project):
    return {
        str(path.relative_to(project.stage)) for path in project.stage.rglob("*") if path.is_file()
    }


def test_the_table_of_contents_names_pages_and_chapters(project):
    assert stage.toc_files(project) == ["book/index", "notebooks/10-demo", "book/glossary"]
    assert stage.toc_chapters(project) == ["10-demo"]


def test_the_stage_holds_the_pages_and_nothing_else(project):
    stage.stage(project, "tiny")
    assert staged(project) == {
        "_config.yml",
        "_toc.yml",
        "book/index.md",
        "book/glossary.md",
        "book/_static/book.css",
        "notebooks/10-demo.ipynb",
    }


def test_a_chapter_that_has_not_run_is_named(project):
    project.executed("10-demo", "tiny").unlink()
    with pytest.raises(UserError, match="10-demo"):
        stage.stage(project, "tiny")


def test_a_chapter_that_has_not_run_can_be_taken_as_it_is(project, capsys):
    project.executed("10-demo", "tiny").unlink()
    stage.stage(project, "tiny", unexecuted=True)
    assert "notebooks/10-demo.ipynb" in staged(project)
    assert "without outputs: 10-demo" in capsys.readouterr().out


def test_a_page_that_the_table_of_contents_invents_is_named(project):
    (project.root / "_toc.yml").write_text(TOC + "      - file: book/nowhere\n")
    with pytest.raises(UserError, match="book/nowhere"):
        stage.stage(project, "tiny")


def test_an_unchanged_file_keeps_its_date_and_a_removed_one_goes(project):
    stage.stage(project, "tiny")
    index, words = (project.stage / "book" / name for name in ("index.md", "glossary.md"))
    before = index.stat().st_mtime_ns, words.stat().st_mtime_ns
    (project.root / "book" / "glossary.md").write_text("# More words\n")
    (project.root / "book" / "_static" / "book.css").unlink()
    stage.stage(project, "tiny")
    assert index.stat().st_mtime_ns == before[0]
    assert words.read_text() == "# More words\n"
    assert "book/_static/book.css" not in staged(project)


def test_the_pages_of_the_ledger_are_added(project, monkeypatch):
    def write_pages(folder):
        (folder / "book" / "claims.md").write_text("# Claims\n")

    monkeypatch.setattr(stage, "write_pages", write_pages)
    stage.stage(project, "tiny")
    assert "book/claims.md" in staged(project)


def test_what_sets_up_and_calls_the_grader_is_not_on_the_page(project):
    new = nbformat.v4
    cells = [
        new.new_markdown_cell("# Exercises"),
        new.new_code_cell("# @title Run this first: it sets up the checks\ngrader = None"),
        new.new_code_cell("def answer():\n    ..."),
        new.new_code_cell('grader.check("answer")'),
        new.new_markdown_cell("---\n\nTo hand in: save this notebook."),
    ]
    path = project.student_notebook("10-demo")
    path.parent.mkdir(parents=True)
    nbformat.write(new.new_notebook(cells=cells), path)
    stage.stage(project, "tiny")
    shown = nbformat.read(project.stage / "notebooks" / "exercises" / path.name, as_version=4)
    assert shown.metadata["nosearch"], "a search finds the chapter"
    assert [cell.source for cell in shown.cells] == ["# Exercises", "def answer():\n    ..."]


def test_exercises_wait_for_their_chapter(project):
    path = project.student_notebook("11-not-written")
    path.parent.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(), path)
    stage.stage(project, "tiny")
    assert not any("11-not-written" in name for name in staged(project))
