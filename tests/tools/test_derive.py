"""What follows from the list of the chapters and from the pages is written, or told to be old."""

import nbformat
import pytest
import yaml

from tools import derive, pair
from tools.project import Project

LIST = """
- part: "Part I. First: things"
  chapters:
    - {slug: 01-one, title: "One, or so?", about: how it begins}
    - {slug: 02-two, title: Two}
- part: Part II. Second
  chapters:
    - {slug: 03-three, title: Three, about: how it ends}
"""
TOC = """format: jb-book
root: book/index
parts:
  # begin chapters: derived
  # end chapters
  - caption: Words
    chapters:
      - file: book/glossary
      - file: book/claims
        sections:
          # begin claims
          # end claims
"""
PAGE = """---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A working title

```{code-cell}
# not a heading
try:
    import tlhelpers as tl
except ModuleNotFoundError:
    %pip install -q "tlhelpers[chapters] @ git+https://example.org/book"
```

```{code-cell}
CODE
```
"""


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path)
    for folder in ("book/chapters", "book/exercises", "notebooks"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "book" / "chapters.yaml").write_text(LIST)
    (tmp_path / "_toc.yml").write_text(TOC)
    for name in ("README.md", "book/index.md"):
        (tmp_path / name).write_text(
            "Above\n\n<!-- begin chapters -->\n<!-- end chapters -->\nBelow\n"
        )
    project.master("01-one").write_text("# Exercises\n")
    (tmp_path / "book" / "claims" / "computed").mkdir(parents=True)
    for name in ("02-two.yaml", "README.md"):
        (tmp_path / "book" / "claims" / name).write_text("")
    project.source("01-one").write_text(PAGE.replace("CODE", "import spacy"))
    project.source("03-three").write_text(PAGE.replace("CODE", "import torch"))
    return project


@pytest.fixture
def written(project):
    assert derive.main([], project) == 0
    return project


def test_once_written_nothing_is_out_of_date(written):
    assert derive.main(["--check"], written) == 0
    assert all(pair.pair(written, slug, check=True) is None for slug in written.slugs())


def test_the_table_of_contents_names_pages_that_are_there_and_their_exercises(written):
    first, second, words = yaml.safe_load((written.root / "_toc.yml").read_text())["parts"]
    exercises = {"file": "notebooks/exercises/01-one", "title": "Exercises"}
    assert first == {
        "caption": "Part I. First: things",
        "chapters": [
            {"file": "notebooks/01-one", "title": "1 · One, or so?", "sections": [exercises]}
        ],
    }
    three = {"file": "notebooks/03-three", "title": "3 · Three"}
    assert second == {"caption": "Part II. Second", "chapters": [three]}
    assert words["caption"] == "Words"
    _, claims = words["chapters"]
    assert claims["sections"] == [{"file": "book/claims/02-two", "title": "2 · Two"}]


def test_first_page_and_readme_say_what_is_finished_and_keep_the_rest(written):
    index = (written.root / "book" / "index.md").read_text()
    assert "2 of 3 chapters are finished.\n" in index
    assert "- [One, or so?](../notebooks/01-one.ipynb): how it begins.\n" in index
    readme = (written.root / "README.md").read_text()
    assert "2 of 3 chapters are finished: *One, or so?* (01), *Three* (03)." in readme
    for text in (index, readme):
        assert text.startswith("Above\n\n<!-- begin") and text.endswith("end chapters -->\nBelow\n")


def test_the_paths_lead_to_the_pages_that_are_there(project, capsys):
    listed = project.root / "book" / "chapters.yaml"
    listed.write_text(
        LIST.replace("how it begins}", "how it begins, paths: [practice, first steps]}")
        .replace("title: Two}", "title: Two, paths: [practice]}")
        .replace("how it ends}", "how it ends, paths: [practice]}")
    )
    place = "<!-- begin paths -->\n<!-- end paths -->\n"
    project.source("03-three").write_text(PAGE.replace("# A working title\n", f"# A\n\n{place}"))
    assert derive.main([], project) == 0
    page = project.source("03-three").read_text()
    assert "- **First steps**, if" in page
    assert ": [One, or so?](01-one.ipynb) → [Three](03-three.ipynb).\n" in page
    assert "**Teaching**" not in page, "no chapter is on it"
    listed.write_text(listed.read_text().replace("first steps", "hobby"))
    assert derive.main([], project) == 2
    assert "no paths ['hobby']. There are: first steps, practice" in capsys.readouterr().err


def test_a_page_gets_its_title_and_installs_only_what_it_imports(written):
    one, three = (written.source(slug).read_text() for slug in ("01-one", "03-three"))
    assert "# One, or so?\n" in one and "# not a heading\n" in one
    assert '%pip install -q "tlhelpers[spacy] @ git+https://example.org/book"' in one
    assert '%pip install -q "tlhelpers @ git+https://example.org/book"' in three
    notebook = nbformat.read(written.notebook("01-one"), as_version=4)
    assert notebook.cells[0].source == "# One, or so?"


def test_an_edit_made_in_a_notebook_is_kept(written):
    path = written.notebook("03-three")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].source = "import gensim"
    nbformat.write(notebook, path)
    assert derive.main([], written) == 0
    text = written.source("03-three").read_text()
    assert "import gensim" in text and '"tlhelpers[gensim] @' in text


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("_toc.yml", "notebooks/03-three", "notebooks/02-two"),
        ("README.md", "2 of 3", "3 of 3"),
        ("book/index.md", "how it begins", "how it began"),
        ("book/chapters.yaml", "how it begins", "how it began"),
        ("book/chapters/01-one.md", "# One, or so?", "# Two"),
        ("book/chapters/01-one.md", "tlhelpers[spacy] @", "tlhelpers @"),
        ("book/chapters/01-one.md", "import spacy", "import hassil"),
    ],
)
def test_what_is_out_of_date_is_named_and_left_alone(written, capsys, file, old, new):
    path = written.root / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    before = path.read_text()
    assert derive.main(["--check"], written) == 1
    said = capsys.readouterr()
    assert ": out of date" in said.out and "python -m tools.derive" in said.err
    assert path.read_text() == before


def test_a_new_page_joins_the_book_everywhere(written, capsys):
    written.source("02-two").write_text(PAGE.replace("CODE", "1 + 1"))
    assert derive.main(["--check"], written) == 2
    assert "02-two has a page. Say in about: what it is about" in capsys.readouterr().err
    path = written.root / "book" / "chapters.yaml"
    path.write_text(path.read_text().replace("title: Two", "title: Two, about: the middle"))
    assert derive.main([], written) == 0
    assert "notebooks/02-two" in (written.root / "_toc.yml").read_text()
    assert "3 of 3 chapters" in (written.root / "README.md").read_text()
    assert (
        "(../notebooks/02-two.ipynb): the middle."
        in (written.root / "book" / "index.md").read_text()
    )


def test_a_page_that_is_not_listed_is_refused(written, capsys):
    written.source("04-four").write_text(PAGE)
    assert derive.main([], written) == 2
    assert "04-four is not in book/chapters.yaml. Add its line" in capsys.readouterr().err


def test_a_file_without_a_place_for_the_chapters_is_refused(written, capsys):
    (written.root / "README.md").write_text("Above\n")
    assert derive.main([], written) == 2
    assert "README.md has no single place" in capsys.readouterr().err


def test_a_page_without_a_heading_is_refused(written, capsys):
    path = written.source("01-one")
    path.write_text(path.read_text().replace("# One, or so?", "One"))
    assert derive.main(["--check"], written) == 2
    assert "01-one has no heading, or two" in capsys.readouterr().err


def test_what_is_derived_in_the_book_is_up_to_date():
    assert derive.main(["--check"]) == 0
