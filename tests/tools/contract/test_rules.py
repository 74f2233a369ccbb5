"""The contract of a page, and a bad page for each of its rules."""

import re

import jupytext
import nbformat
import pytest

from tests.tools.contract.pages import FILLER, GOOD, SLUG, write_page
from tlhelpers.evidence.ledger import load_ledger
from tools.contract.page import read_page
from tools.contract.prose import count_words
from tools.contract.rules import problems
from tools.project import Project


def broken(project: Project, *changes: tuple[str, str]) -> list[str]:
    text = GOOD
    for old, new in changes:
        assert old in text, f"the good page does not have {old!r}"
        text = text.replace(old, new)
    return problems(write_page(project, text))


def test_a_good_page_breaks_nothing(project):
    assert problems(write_page(project, GOOD)) == []


CODE = "```{code-cell} ipython3\n"


CODE = "```{code-cell} ipython3\n"
LONG = CODE + "\n".join(f"a{n} = {n}" for n in range(31)) + "\n```\n\nSo many.\n\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("# A small update is enough\n", "A small update is enough\n"), "no title"),
        (("**You will be able to**", "**Maybe**"), "will be able to"),
        (("about a minute on two CPU cores", "quick"), "time (a CPU)"),
        (("2 minutes on a GPU", "none"), "time (a GPU)"),
        (("**You need:**", "**Have:**"), "what it needs"),
        (("## Three things to remember", "## Afterwards"), "no section '## Three things"),
        (("3. Its rank is a choice.\n", ""), "has 2 things to remember"),
        (("3. Its rank is a choice.\n", "3.\n"), "empty thing"),
        (("## Exercises", "## Homework"), "no section '## Exercises'"),
        (("Count the parameters of another rank (10 minutes).\n", ""), "no exercises under"),
        (("[LoRA](https://arxiv.org/abs/2106.09685)", "LoRA"), "reference without a link"),
        (("One correction.", "```{note}\nOne correction.\n```"), "a directive"),
        (("One correction.", ":::{note}\nOne correction.\n:::"), "a directive"),
        (("One correction.", "One {ref}`correction`."), "a role"),
        (("One correction.", "One correction [@hu2021]."), "a citation key"),
        (("One correction.", "One correction.[^a]\n\n[^a]: Indeed."), "a footnote"),
        (("One correction.", "(here)=\nOne correction."), "a target label"),
        (("One correction.", "<script>alert()</script>"), "uses <script>"),
        (("One correction.", "![](figure.png)"), "without alt text"),
        (("One correction.", "[Next](21-next.ipynb)."), "which is no chapter"),
        (("One correction.", "[Next](08-lora-maths.md)."), "which is no chapter"),
        ((":tags: [parameters]\n\n", ""), "tagged parameters"),
        (("import tlhelpers as tl\n", "import tlhelpers\n"), "does not import tlhelpers"),
        (("tl.start(profile, seed=0)", "tl.start(profile)"), "without a seed"),
        (("run = tl.start(profile, seed=0)", "run = 0"), "does not call tl.start"),
        (("## How large", LONG + "## How large"), "a cell of 31 lines"),
        (("print(8 * (4096 + 4096))", "def f():\n    return 1\n\n\nf()"), "defines functions"),
        (("print(8 * (4096 + 4096))", "print(8 *"), "not Python"),
        ((FILLER, "Short."), "words, not 800"),
        ((FILLER, FILLER * 3), "words, not 800"),
        (("tl.plots.heatmap(update, ", "print("), "has no figure"),
        (("tl.explore(lambda rank: ", "print(lambda rank: "), "nothing to play with"),
        (("One correction.", "It saves 99 percent."), "types '99'"),
        (("tl.show_claims(chapter=8)", "tl.show_claims(chapter=9)"), "its correction 08-update"),
        (("tl.show_claims(chapter=8)", 'tl.expect("08-lost", True)'), "not in the ledger"),
        (("tl.show_claims(chapter=8)", 'tl.claim("08-lost")'), "not in the ledger"),
        (("tl.show_claims(chapter=8)", 'tl.show_claims(ids=["08-lost"])'), "not in the ledger"),
    ],
)
def test_a_bad_page_is_told_what_to_do(project, change, message):
    found = broken(project, change)
    assert any(message in problem for problem in found), found
    assert all(re.search(r"\. [A-Z]", problem) for problem in found), "each says what to do"


@pytest.mark.parametrize(
    ("added", "words"),
    [
        ("A plain sentence - of six words.", 6),
        ("A well-known rate of 1,000.5 is five words' worth.", 9),
        ("The formula $a + b$, and", 4),
        ("Call `tl.load(name, task)` now.", 4),
        ("| one | two |\n|---|---|\n| three | four |", 4),
        ("<details><summary>Two words</summary>\n\nThree more words.\n\n</details>", 5),
        ("```python\nprint('not prose')\n```", 0),
    ],
)
def test_words_are_counted_as_a_reader_sees_them(project, added, words):
    before = count_words(write_page(project, GOOD).chapter)
    page = write_page(project, GOOD.replace("## Three", f"{added}\n\n## Three"))
    assert count_words(page.chapter) - before == words
    page = write_page(project, f"{GOOD}\n{added}\n")  # among the references
    assert count_words(page.chapter) == before


def test_three_results_in_a_row_want_a_word(project):
    found = broken(project, ("Most of it is nearly empty.\n", ""), ("Turn it and see.\n", ""))
    assert any("results without a word between" in problem for problem in found), found


def test_a_result_at_the_end_wants_a_word(project):
    found = broken(project, ("12 pages.\n", "12 pages.\n\n" + CODE + "print(1)\n```\n"))
    assert any("nothing is said about" in problem for problem in found), found


def test_sections_at_the_end_keep_their_order(project):
    found = broken(
        project,
        ("## Exercises", "## X"),
        ("## Three things to remember", "## Exercises"),
        ("## X", "## Three things to remember"),
    )
    assert any("another order" in problem for problem in found), found


def test_stored_outputs_are_found(project):
    page = write_page(project, GOOD)
    path = project.notebook(SLUG)
    notebook = nbformat.read(path, as_version=4)
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    cell.outputs = [nbformat.v4.new_output("stream", text="1")]
    nbformat.write(notebook, path)
    assert any("stores outputs" in problem for problem in problems(page))


def run_with(project: Project, data: dict[str, str]) -> list[str]:
    write_page(project, GOOD)
    notebook = jupytext.read(project.source(SLUG))
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    cells[4].outputs = [nbformat.v4.new_output("display_data", data=data)]
    path = project.executed(SLUG, "tiny")
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)
    return problems(write_page(project, GOOD))


def test_a_figure_with_its_text_alternative_passes(project):
    assert run_with(project, {"text/html": '<svg role="img" aria-label="An update"></svg>'}) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"image/png": "aGk="}, "bare image/png"),
        ({"text/html": '<svg role="img"></svg>'}, "without aria-label"),
        ({"text/html": '<img src="x.png">'}, "without alt text"),
        ({"text/plain": "nothing"}, "has no figure"),
    ],
)
def test_a_figure_without_text_alternative_is_found(project, data, message):
    found = run_with(project, data)
    assert any(message in problem for problem in found), found


def test_a_firm_claim_that_a_run_does_not_show_is_found(project):
    write_page(project, GOOD)
    notebook = jupytext.read(project.source(SLUG))
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    entry = load_ledger(project.root / "book" / "claims")["08-update-size"]
    text = f"Not shown at this scale: {entry.claim} Measured: 12. {entry.why}\n"
    cells[3].outputs = [nbformat.v4.new_output("stream", text=text)]
    path = project.executed(SLUG, "tiny")
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)
    found = problems(write_page(project, GOOD))
    assert any("does not show 08-update-size" in problem for problem in found), found


# The chapters of the book ---------------------------------------------------------------------

BOOK = Project()
WRITTEN = [slug for slug in BOOK.slugs() if BOOK.source(slug).exists()]


@pytest.mark.parametrize("slug", WRITTEN)
def test_the_chapter_as_written_keeps_the_contract(slug):
    page = read_page(BOOK, slug, load_ledger())
    page.chapter.executed = None
    found = problems(page)
    assert not found, "\n".join(found)


@pytest.mark.book
@pytest.mark.parametrize("slug", WRITTEN)
def test_the_executed_chapter_keeps_the_contract(slug):
    page = read_page(BOOK, slug, load_ledger())
    assert page.chapter.executed is not None, (
        f"execute it: python -m tools.execution.execute {slug[:2]}"
    )
    found = problems(page)
    assert not found, "\n".join(found)


def test_every_chapter_of_the_book_is_set_up_in_the_same_way():
    """The line that installs on Colab, above all: one chapter left behind would not run there.

    Which optional packages it names differs from page to page: tests/tools/test_derive.py.
    """
    first = {}
    for path in sorted((BOOK.root / "notebooks").glob("[0-9]*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        first[path.stem] = [cell.source for cell in cells if cell.cell_type == "code"][:3]
    assert len(first) >= 4
    alike = {re.sub(r"tlhelpers\[[\w,]+\] @", "tlhelpers @", "\n".join(f)) for f in first.values()}
    assert len(alike) == 1, first
