"""A chapter's Markdown and its notebook say the same, and no edit is lost."""

import json

import pytest

from tools import pair
from tools.pair import State
from tools.project import Project, UserError

CHAPTER = """---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A page

```{code-cell}
:tags: [parameters]

profile = "auto"
```

Some prose with $x^2$.

+++

A second text cell.

```{code-cell}
print("a `fence` and a \\"quote\\"")
```
"""


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path)
    project.source("10-demo").parent.mkdir(parents=True)
    project.source("10-demo").write_text(CHAPTER)
    return project


@pytest.fixture
def paired(project):
    pair.pair(project, "10-demo")
    return project


def edit_markdown(project, old, new):
    path = project.source("10-demo")
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def edit_notebook(project, change):
    path = project.notebook("10-demo")
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def set_source(position, text):
    def change(content):
        content["cells"][position]["source"] = text

    return change


def test_a_new_chapter_gets_its_notebook(paired):
    content = json.loads(paired.notebook("10-demo").read_text())
    assert [cell["cell_type"] for cell in content["cells"]] == [
        "markdown",
        "code",
        "markdown",
        "markdown",
        "code",
    ]
    assert content["cells"][1]["metadata"] == {"tags": ["parameters"]}
    assert content["metadata"]["kernelspec"]["name"] == "python3"
    assert pair.pair(paired, "10-demo", check=True) is None


def test_a_new_notebook_gets_its_chapter(paired):
    before = pair.read_markdown(paired.source("10-demo").read_text())
    paired.source("10-demo").unlink()
    pair.pair(paired, "10-demo")
    after = pair.read_markdown(paired.source("10-demo").read_text())
    assert pair.cells_digest(after) == pair.cells_digest(before)
    assert pair.pair(paired, "10-demo", check=True) is None


def test_pairing_twice_writes_the_same_bytes(paired):
    before = paired.notebook("10-demo").read_bytes()
    paired.notebook("10-demo").unlink()
    pair.pair(paired, "10-demo")
    assert paired.notebook("10-demo").read_bytes() == before


def test_an_edit_in_markdown_reaches_the_notebook(paired):
    edit_markdown(paired, "Some prose", "Better prose")
    assert pair.pair(paired, "10-demo", check=True) == "10-demo: Markdown edited, notebook not"
    pair.pair(paired, "10-demo")
    assert "Better prose" in paired.notebook("10-demo").read_text()
    assert pair.pair(paired, "10-demo", check=True) is None


def test_an_edit_in_the_notebook_reaches_the_markdown(paired):
    edit_notebook(paired, set_source(2, "Prose from Colab"))
    assert pair.pair(paired, "10-demo", check=True) == "10-demo: notebook edited, Markdown not"
    pair.pair(paired, "10-demo")
    assert "Prose from Colab" in paired.source("10-demo").read_text()
    assert "Some prose" not in paired.source("10-demo").read_text()
    assert pair.pair(paired, "10-demo", check=True) is None


def test_two_edits_are_refused_and_both_files_stay(paired):
    edit_markdown(paired, "Some prose", "Better prose")
    edit_notebook(paired, set_source(3, "From Colab"))
    files = [paired.source("10-demo"), paired.notebook("10-demo")]
    before = [file.read_bytes() for file in files]
    with pytest.raises(UserError, match="--from md"):
        pair.pair(paired, "10-demo")
    assert [file.read_bytes() for file in files] == before


@pytest.mark.parametrize(("take", "kept"), [("md", "Better prose"), ("ipynb", "From Colab")])
def test_one_of_two_edits_can_be_chosen(paired, take, kept):
    edit_markdown(paired, "Some prose", "Better prose")
    edit_notebook(paired, set_source(2, "From Colab"))
    pair.pair(paired, "10-demo", take=take)
    assert kept in paired.source("10-demo").read_text()
    assert kept in paired.notebook("10-demo").read_text()
    assert pair.pair(paired, "10-demo", check=True) is None


def test_outputs_and_stray_metadata_are_taken_out(paired):
    clean = paired.notebook("10-demo").read_bytes()

    def run(content):
        content["cells"][1]["execution_count"] = 7
        content["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
        content["cells"][1]["metadata"]["collapsed"] = True
        content["metadata"]["papermill"] = {"duration": 1}

    edit_notebook(paired, run)
    written = (paired.source("10-demo").read_text(), paired.notebook("10-demo").read_text())
    assert pair.state(*written) is State.UNTIDY
    pair.pair(paired, "10-demo")
    assert paired.notebook("10-demo").read_bytes() == clean


def test_a_changed_tag_is_an_edit(paired):
    edit_markdown(paired, ":tags: [parameters]", ":tags: [parameters, hide-input]")
    assert pair.pair(paired, "10-demo", check=True) == "10-demo: Markdown edited, notebook not"


def test_equal_cells_get_different_ids_and_keep_them_when_a_cell_is_added_above(project):
    text = CHAPTER + "\n```{code-cell}\n1 + 1\n```\n\n```{code-cell}\n1 + 1\n```\n"
    before = [cell["id"] for cell in pair.tidy(pair.read_markdown(text)).cells]
    grown = text.replace("Some prose", "New\n\n+++\n\nSome prose")
    after = [cell["id"] for cell in pair.tidy(pair.read_markdown(grown)).cells]
    assert len(set(before)) == len(before)
    assert [identity for identity in after if identity in before] == before


def test_the_check_fails_and_says_what_to_run(paired, capsys):
    assert pair.main(["--check"], paired) == 0
    edit_markdown(paired, "Some prose", "Better prose")
    assert pair.main(["--check"], paired) == 1
    message = capsys.readouterr().err
    assert "10-demo: Markdown edited" in message
    assert "python -m tools.pair" in message


def test_an_unknown_chapter_is_named_with_those_that_exist(paired, capsys):
    assert pair.main(["11"], paired) == 2
    assert "10-demo" in capsys.readouterr().err


def test_jupytext_finds_the_pair_by_itself_and_leaves_it_unchanged(paired):
    import shutil

    from jupytext.cli import jupytext

    shutil.copy(Project().root / "pyproject.toml", paired.root)
    files = [paired.source("10-demo"), paired.notebook("10-demo")]
    before = [file.read_bytes() for file in files]
    jupytext(["--quiet", "--sync", str(files[1])])
    assert [file.read_bytes() for file in files] == before


def test_jupytext_brings_an_edit_over_and_the_gate_takes_it(paired):
    import os
    import shutil

    from jupytext.cli import jupytext

    shutil.copy(Project().root / "pyproject.toml", paired.root)
    edit_markdown(paired, "Some prose", "Better prose")
    newer = paired.notebook("10-demo").stat().st_mtime + 10
    os.utime(paired.source("10-demo"), (newer, newer))
    jupytext(["--quiet", "--sync", str(paired.source("10-demo"))])
    assert "Better prose" in paired.notebook("10-demo").read_text()
    pair.pair(paired, "10-demo")
    assert pair.pair(paired, "10-demo", check=True) is None


# Listings and folds -----------------------------------------------------------------------------


@pytest.fixture
def with_listing(project):
    path = project.listing("10-loop")
    path.parent.mkdir(parents=True)
    path.write_text("print('the loop')\n")
    text = CHAPTER + "\n```{code-cell}\n:listing: 10-loop\n```\n"
    project.source("10-demo").write_text(text)
    pair.pair(project, "10-demo")
    return project


def test_a_listing_comes_into_both_forms_as_a_cell_that_is_not_run(with_listing):
    cell = json.loads(with_listing.notebook("10-demo").read_text())["cells"][-1]
    assert cell["source"] == ["print('the loop')"]
    assert cell["metadata"] == {"listing": "10-loop", "tags": ["skip-execution", "nbval-skip"]}
    assert "print('the loop')" in with_listing.source("10-demo").read_text()
    assert pair.pair(with_listing, "10-demo", check=True) is None


def test_an_edited_listing_reaches_both_forms_and_no_other_edit_is_lost(with_listing):
    with_listing.listing("10-loop").write_text("print('a better loop')\n")
    edit_notebook(with_listing, set_source(2, "Prose from Colab"))
    assert "10-loop" in pair.pair(with_listing, "10-demo", check=True)
    pair.pair(with_listing, "10-demo")
    for path in (with_listing.source("10-demo"), with_listing.notebook("10-demo")):
        assert "a better loop" in path.read_text()
        assert "Prose from Colab" in path.read_text()
    assert pair.pair(with_listing, "10-demo", check=True) is None


def test_a_listing_edited_in_the_page_is_told_and_put_back(with_listing):
    edit_markdown(with_listing, "the loop", "my loop")
    assert "10-loop" in pair.pair(with_listing, "10-demo", check=True)
    pair.pair(with_listing, "10-demo")
    assert "my loop" not in with_listing.source("10-demo").read_text()


def test_a_listing_that_is_not_there_is_named(with_listing):
    with_listing.listing("10-loop").unlink()
    with pytest.raises(UserError, match=r"Write book/listings/10-loop\.py"):
        pair.pair(with_listing, "10-demo")


def test_a_folded_cell_is_folded_on_colab_and_in_jupyterlab(paired):
    edit_markdown(paired, ":tags: [parameters]", ":tags: [parameters, hide-input]")
    pair.pair(paired, "10-demo")
    metadata = json.loads(paired.notebook("10-demo").read_text())["cells"][1]["metadata"]
    assert metadata["cellView"] == "form"
    assert metadata["jupyter"] == {"source_hidden": True}
    assert "cellView" not in paired.source("10-demo").read_text()
    assert pair.pair(paired, "10-demo", check=True) is None
