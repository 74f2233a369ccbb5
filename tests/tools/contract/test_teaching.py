"""What a reader takes along, and a bad page for each of its rules."""

import pytest

from tests.tools.contract.pages import GOOD, SLUG, write_page
from tools.contract.chapter_text import read_chapter
from tools.contract.page import Page
from tools.contract.rules import exceptions_file, problems
from tools.contract.teaching import teaching_share
from tools.pair import fill_listings, read_markdown, write_markdown

VISIBLE = "```{code-cell} ipython3\n"
FOLDED = VISIBLE + ":tags: [hide-input]\n\n"
TRAINING = VISIBLE + "model = tl.fit(tl.load('encoder'))\n```\n\nIt learned.\n\n"
LISTING = """\
import torch

import tlhelpers as tl

model = torch.nn.Linear(2, 2)
model.save_pretrained("folder")
# On your own data: the same.
"""


def found(project, *changes):
    text = GOOD
    for old, new in changes:
        assert old in text, f"the good page does not have {old!r}"
        text = text.replace(old, new, 1)
    return problems(write_page(project, text))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("print(8 * (4096", f"print({'8 * ' * 20}(4096"), "over 80"),
        (
            ("One correction.", FOLDED + "model = tl.load('encoder')\n```\n\nHm."),
            "a call of tl.load",
        ),
        (
            ("One correction.", FOLDED + "words.predict_proba(texts)\n```\n\nHm."),
            "a call of words.predict_proba",
        ),
        (("import torch\n\n", ""), "shows plumbing"),
        (("torch.eye(rank)", "rank"), "50% of what is visible teaches"),
        (("## Three", TRAINING + "## Three"), "has no listing"),
    ],
)
def test_a_bad_page_is_told_what_to_do(project, change, message):
    assert any(message in problem for problem in found(project, change))


def test_an_address_may_be_longer_than_a_line(project):
    address = "https://example.org/" + "a" * 80
    assert found(project, ("print(8", f"# {address}\nprint(8")) == []


def test_the_share_counts_what_is_visible(project):
    assert teaching_share(write_page(project, GOOD).chapter) == 0.75
    shown = GOOD.replace(":tags: [hide-input]\n\nrun", "run")
    assert teaching_share(write_page(project, shown).chapter) == 0.6


@pytest.mark.parametrize(
    ("cell", "share"),
    [
        ("encoder, tokenizer = tl.load('encoder')\nprint(tokenizer('a'))", 0.8),
        ("adapted = tl.lora.adapt(encoder)", 0.6),  # what makes a model may still be plumbing
        ("reviews = tl.data('sentiment')", 0.8),
        ("import torch\nprint(1)", 0.6),  # imported, and not used
        ("from transformers import AutoTokenizer", 0.6),
        ("from transformers import AutoTokenizer\nAutoTokenizer.from_pretrained('a')", 0.8),
    ],
)
def test_a_cell_teaches_that_uses_a_library_or_a_verb(project, cell, share):
    page = write_page(project, GOOD.replace("## Three", f"{VISIBLE}{cell}\n```\n\nSo.\n\n## Three"))
    assert teaching_share(page.chapter) == share


@pytest.mark.parametrize(
    ("made", "share"),
    [
        ("encoder, tokenizer = tl.load('encoder')", 5 / 6),
        ("encoder = tl.lora.adapt(small)", 4 / 6),
        ("encoder = tl.fit(small, train)", 5 / 6),
        # A table of texts is no model, whatever the page does with it.
        ("encoder = tl.data('sentiment')", 4 / 6),
        ("encoder = torch.load('sentiment')", 4 / 6),
    ],
)
def test_a_cell_teaches_that_uses_a_model_of_the_page(project, made, share):
    cells = "".join(f"{VISIBLE}{cell}\n```\n\nSo.\n\n" for cell in (made, "print(encoder)"))
    page = write_page(project, GOOD.replace("## Three", f"{cells}## Three"))
    assert teaching_share(page.chapter) == share


def with_listing(project, listing):
    """A page that trains, with this listing in it, as the pairing leaves it."""
    path = project.listing("08-loop")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(listing)
    cell = TRAINING + VISIBLE + ":listing: 08-loop\n```\n\nThe same, alone.\n\n## Three"
    page = write_page(project, GOOD.replace("## Three", cell, 1))
    notebook = read_markdown(project.source(SLUG).read_text())
    fill_listings(notebook, project)
    project.source(SLUG).write_text(write_markdown(notebook))
    chapter = read_chapter(project.source(SLUG))
    return Page(chapter, page.ledger, project)


def test_a_page_that_trains_and_shows_its_listing_passes(project):
    assert problems(with_listing(project, LISTING)) == []


def test_the_lines_of_a_listing_are_those_of_its_code(project):
    code = LISTING.splitlines()
    own_data = [f"# line {n} of what to write for own data" for n in range(20)]
    full = [*code, *(f"a{n} = {n}" for n in range(30 - 4)), "", *own_data]
    assert problems(with_listing(project, "\n".join(full) + "\n")) == []
    over = "\n".join([*full, "a = 1  # and a comment"]) + "\n"
    assert any("has 31 lines of code" in p for p in problems(with_listing(project, over)))


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        (LISTING + "\n".join(f"a{n} = {n}" for n in range(30)), "lines of code, over 30"),
        (LISTING + "tl.fit(model)\n", "uses tl.fit"),
        (LISTING.replace("own data", "data"), "does not say how it goes on own data"),
        (LISTING.replace('model.save_pretrained("folder")\n', ""), "saves no model"),
    ],
)
def test_a_listing_that_cannot_be_taken_home_is_found(project, listing, message):
    broken = problems(with_listing(project, listing))
    assert any("08-loop" in problem and message in problem for problem in broken), broken


def test_where_nothing_is_trained_a_listing_has_nothing_to_save(project):
    page = with_listing(project, LISTING.replace('model.save_pretrained("folder")\n', ""))
    source = project.source(SLUG)
    source.write_text(source.read_text().replace("tl.fit(tl.load(", "(tl.load("))
    assert problems(Page(read_chapter(source), page.ledger, project)) == []


@pytest.mark.parametrize(("code", "saves"), [("torch.arange(3)", False), ("torch.train()", True)])
def test_beside_one_that_saves_only_a_listing_that_trains_has_to(project, code, saves):
    page = with_listing(project, LISTING)
    project.listing("08-second").write_text(f"import torch\n\n{code}\n# On your own data: no\n")
    source = project.source(SLUG)
    second = VISIBLE + ":listing: 08-second\n```\n\nThat was all.\n\n## Three"
    notebook = read_markdown(source.read_text().replace("## Three", second, 1))
    fill_listings(notebook, project)
    source.write_text(write_markdown(notebook))
    found = problems(Page(read_chapter(source), page.ledger, project))
    assert len(found) == saves
    assert all("08-second" in problem and "saves no model" in problem for problem in found)


def test_a_listing_that_is_not_the_one_on_file_is_found(project):
    page = with_listing(project, LISTING)
    project.listing("08-loop").write_text(LISTING + "print(1)\n")
    assert any("does not show what book/listings/08-loop.py has" in p for p in problems(page))
    project.listing("08-loop").unlink()
    assert any("shows no such listing" in p for p in problems(page))


def test_a_page_that_links_to_no_other_is_told_to(project):
    project.source("09-what-layers-learn").write_text("# What layers learn\n")
    assert any("links to no other chapter" in p for p in found(project))
    link = ("One correction.", "[What layers learn](09-what-layers-learn.ipynb).")
    assert found(project, link) == []


def glossary(project, *lines):
    (project.root / "book" / "glossary.md").write_text("\n".join(lines))


def test_a_term_stands_in_italics_at_its_first_use(project):
    line = "- **{}**: what it is. [A small update](../notebooks/08-lora-maths.ipynb)"
    glossary(project, line.format("low-rank update"))
    assert any("without italics. Write *low-rank update*" in p for p in found(project))
    assert found(project, ("A low-rank update", "A *low-rank update*")) == []
    glossary(project, line.format("warm-up"))
    assert any("never says 'warm-up'" in p for p in found(project))


def test_an_excepted_page_may_break_a_rule_as_often_as_it_says_and_not_less_often(project):
    long = ("print(8 * (4096", f"print({'8 * ' * 20}(4096")
    path = exceptions_file(project)
    path.parent.mkdir(parents=True)
    path.write_text(f"{SLUG}: {{narrow_lines: 1}}\n")
    assert found(project, long) == []
    path.write_text(f"{SLUG}: {{narrow_lines: 2}}\n")
    assert any("Lower the figure" in problem for problem in found(project, long))
    path.write_text("{}\n")
    assert any("over 80" in problem for problem in found(project, long))
