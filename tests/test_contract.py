"""The contract of a page, and a bad page for each of its rules."""

import re
from pathlib import Path

import jupytext
import nbformat
import pytest

from tlhelpers.evidence.ledger import load_ledger
from tools.contract import page as contract
from tools.contract.chapter_text import CodeCell, read_chapter
from tools.contract.page import Page, problems
from tools.contract.prose_numbers import uncovered_numbers, unused_phrases
from tools.project import Project

SLUG = "08-lora-maths"

LEDGER = """
- id: 08-update-size
  claim: A rank-8 update of a square matrix 4,096 wide has 65,536 numbers.
  source: {section: 8, figure: "65,536", where: formula}
  kind: computed
  settled_by: {function: ch08.count, arguments: {rank: 8}, expects: 65536}
  verdict: corrected
  why: Two thin factors.
  instead: Count both factors.
  prose: ["65,536", "93.4 %", "4,096 wide"]
"""

FILLER = " ".join(
    ["A low-rank update is two thin matrices whose product is as wide as the layer."] * 60
)

GOOD = f"""# A small update is enough

**You will be able to** count what an update costs.

**Time:** about a minute on two CPU cores, 2 minutes on a GPU.
**You need:** an idea of what a matrix is.

```{{code-cell}} ipython3
:tags: [parameters]

profile = "auto"
```

```{{code-cell}} ipython3
import tlhelpers as tl
```

```{{code-cell}} ipython3
run = tl.start(profile, seed=0)
```

## How large is an update?

{FILLER}

```{{code-cell}} ipython3
print(8 * (4096 + 4096))
```

That makes 65,536 numbers, as [Hu et al., 2021](https://arxiv.org/abs/2106.09685) say.

```{{code-cell}} ipython3
tl.plots.heatmap(update, "An update", "column", "row")
```

Most of it is nearly empty.

```{{code-cell}} ipython3
tl.explore(lambda rank: f"{{rank}}", title="Rank", rank=[1, 2])
```

Turn it and see.

```{{code-cell}} ipython3
tl.show_claims(chapter=8)
```

One correction.

## Three things to remember

1. An update is thin.
2. It can be merged.
3. Its rank is a choice.

## Exercises

Count the parameters of another rank (10 minutes).

## References

- Hu et al., 2021. [LoRA](https://arxiv.org/abs/2106.09685). 12 pages.
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    for folder in ("book/chapters", "book/claims", "notebooks"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "book/claims" / f"{SLUG}.yaml").write_text(LEDGER)
    return Project(tmp_path)


def write_page(project: Project, text: str) -> Page:
    source = project.source(SLUG)
    front = (
        "---\njupytext:\n  text_representation:\n    extension: .md\n    format_name: myst\n---\n\n"
    )
    source.write_text(front + text)
    jupytext.write(jupytext.read(source), project.notebook(SLUG))
    ledger = load_ledger(project.root / "book" / "claims")
    return Page(read_chapter(source, project.executed(SLUG, "tiny")), ledger, project)


def broken(project: Project, *changes: tuple[str, str]) -> list[str]:
    text = GOOD
    for old, new in changes:
        assert old in text, f"the good page does not have {old!r}"
        text = text.replace(old, new)
    return problems(write_page(project, text))


def test_a_good_page_breaks_nothing(project):
    assert problems(write_page(project, GOOD)) == []


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


# Numbers in prose -----------------------------------------------------------------------------


def numbers(project: Project, sentence: str) -> list[str]:
    page = write_page(project, GOOD.replace("One correction.", sentence))
    return [found.text for found in uncovered_numbers(page.chapter, page.ledger.of_chapter(8))]


@pytest.mark.parametrize(
    "sentence",
    [
        "`r = 8` and `print(99)`",
        "```\n99 lines of code\n```",
        "GPT-3, word2vec, CoNLL-2003, F1, BERT-12 and h0",
        "two cores, a third of them, the second layer",
        "[Hu, 2021](https://arxiv.org/abs/2106.09685) and [2106.09685](https://arxiv.org/abs/2106.09685)",
        "[chapter 8](08-lora-maths.ipynb#top)",
        "$x_1^2 + 10^{-5} + \\tfrac12$",
        "1. An item\n2. Another",
        "### 3. The third step",
        '<a href="https://example.org/99">there</a>',
        "It reaches 93.4 % and 65,536, or 93.4% of a layer 4,096 wide",
        "It reaches 93.4\u202f% and **65,536** numbers",
    ],
)
def test_what_is_no_typed_number(project, sentence):
    assert numbers(project, sentence) == []


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("It saves 99%.", ["99%"]),
        ("It saves 99 % of 7B weights.", ["99 %", "7B"]),
        ("A rank-8 update.", ["8"]),
        ("| a | b |\n|---|---|\n| 12 | x |", ["12"]),
        ("$\\approx 0.693$ and $16{,}777{,}216$", ["0.693", "16,777,216"]),
        ("### A step of 12", ["12"]),
        ("<details><summary>Answer</summary>It is 17.</details>", ["17"]),
        ("In 2018 it began.", ["2018"]),
        ("[In 1,000 words](https://example.org)", ["1,000"]),
        ("Only 4,096 tall.", ["4,096"]),
        ("193.4 % or 93.45 % or 65,536.5", ["193.4 %", "93.45 %", "65,536.5"]),
        ("Wait 10 minutes.", ["10"]),
    ],
)
def test_what_is_a_typed_number(project, sentence, found):
    assert numbers(project, sentence) == found


def test_an_entry_lent_by_another_chapter_counts(project):
    text = LEDGER.replace("08-update", "11-update").replace("ch08", "ch11") + "  also_in: [8]\n"
    (project.root / "book/claims/08-lora-maths.yaml").unlink()
    (project.root / "book/claims/11-lora-with-peft.yaml").write_text(text)
    page = write_page(project, GOOD)
    assert not uncovered_numbers(page.chapter, page.ledger.of_chapter(8, also=True))
    assert uncovered_numbers(page.chapter, page.ledger.of_chapter(8))


def test_phrases_that_no_sentence_uses_are_counted(project):
    page = write_page(project, GOOD)
    unused = unused_phrases(page.chapter, page.ledger.of_chapter(8))
    assert unused == [("08-update-size", "93.4 %"), ("08-update-size", "4,096 wide")]


# Statistics and stability ---------------------------------------------------------------------


def test_blank_lines_do_not_count_and_magics_are_read():
    cell = CodeCell(0, "%pip install x\n\nif a:\n    !ls\n    b = 1\n")
    assert cell.lines == 4
    assert not cell.defines and not cell.shows_something


def test_the_table_has_a_row_for_a_page(project):
    row = contract.statistics_row(write_page(project, GOOD))
    table = contract.statistics_table([row])
    assert SLUG in table and "median" in table.splitlines()[0]


def executed(text: str, tags: tuple[str, ...] = ()) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell("score(model)", metadata={"tags": list(tags)})
    cell.outputs = [nbformat.v4.new_output("stream", text=text)]
    return nbformat.v4.new_notebook(cells=[cell])


def test_two_runs_with_the_same_numbers_are_stable():
    one, other = executed("0.84 in 31.2 s, 102 MB"), executed("0.84 in 29.9 s, 99 MB")
    assert contract.differences(one, other) == []


def test_two_runs_with_other_numbers_are_told_apart():
    found = contract.differences(executed("accuracy 0.84"), executed("accuracy 0.83"))
    assert len(found) == 1 and "0.84 and 0.83" in found[0]
    assert contract.differences(executed("1", ("varies",)), executed("2", ("varies",))) == []


# The chapters of the book ---------------------------------------------------------------------

BOOK = Project()
WRITTEN = [slug for slug in BOOK.slugs() if BOOK.source(slug).exists()]


@pytest.mark.parametrize("slug", WRITTEN)
def test_the_chapter_as_written_keeps_the_contract(slug):
    page = contract.read_page(BOOK, slug, load_ledger())
    page.chapter.executed = None
    found = problems(page)
    assert not found, "\n".join(found)


@pytest.mark.book
@pytest.mark.parametrize("slug", WRITTEN)
def test_the_executed_chapter_keeps_the_contract(slug):
    page = contract.read_page(BOOK, slug, load_ledger())
    assert page.chapter.executed is not None, (
        f"execute it: python -m tools.execution.execute {slug[:2]}"
    )
    found = problems(page)
    assert not found, "\n".join(found)


def test_every_chapter_of_the_book_is_set_up_in_the_same_way():
    """The line that installs on Colab, above all: one chapter left behind would not run there."""
    first = {}
    for path in sorted((BOOK.root / "notebooks").glob("[0-9]*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        first[path.stem] = [cell.source for cell in cells if cell.cell_type == "code"][:3]
    assert len(first) >= 4
    assert len({tuple(cells) for cells in first.values()}) == 1, first
