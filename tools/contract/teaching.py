"""Rules for what a reader takes along: code that teaches, listings, the field's words, links."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator

from tools.contract.cells import MOST_LINES
from tools.contract.chapter_text import Chapter, CodeCell
from tools.contract.page import Page
from tools.pair import fill_listings, read_markdown
from tools.project import UserError
from tools.site.glossary import terms

COLUMNS = 80
TEACHING_SHARE = 0.75
LIBRARIES = {
    *("torch", "transformers", "datasets", "peft", "tokenizers", "sklearn", "gensim"),
}
VERBS = ("load", "data", "fit", "evaluate", "predict", "embed")
# What these give is a model or a tokenizer. Texts are none: a table of them is plumbing.
MAKERS = re.compile(
    r"^tl\.(load|meta_model|fit\w*|lora\.adapt)$|\.from_(pretrained|config)$"
    r"|^(get_peft_model|pipeline)$"
)
TRAINS = re.compile(r"^tl\.(fit|fit_frozen|embed)$|^tl\.probing\.|\bget_peft_model$")
PLAIN_TRAINING = re.compile(r"\.(fit|train|backward)\(")
SAVES = re.compile(r"\.save_(pretrained|model)\(")


def narrow_lines(page: Page) -> Iterator[str]:
    """No line of code is wider than its box; an address at the end of a line may be."""
    for cell in page.chapter.code:
        for line in cell.source.splitlines():
            before, _, last = line.rpartition(" ")
            if len(line) > COLUMNS and not ("://" in last and len(before) < COLUMNS):
                start = line.strip()[:50]
                yield f"has a line of {len(line)} columns, over {COLUMNS}: {start!r}. Break it."


def folded_cells_only_draw(page: Page) -> Iterator[str]:
    """What is folded is plumbing: no step that the page teaches is hidden."""
    for cell in page.chapter.code:
        if cell.folded:
            for name in dict.fromkeys(filter(_is_verb, (name for name, _ in cell.calls))):
                yield f"folds a call of {name}: {_first_line(cell)!r}. Show the cell, or split it."


def visible_code_teaches(page: Page) -> Iterator[str]:
    """Three quarters of the visible cells use a library, a model of the page, or a verb."""
    visible = [cell for cell in page.chapter.code if not cell.folded]
    plumbing = [cell for cell in visible if not teaches(cell, page.chapter)]
    allowed = math.floor(len(visible) * (1 - TEACHING_SHARE))
    if len(plumbing) > allowed:
        share = 1 - len(plumbing) / len(visible)
        for cell in plumbing[allowed:]:
            yield (
                f"shows plumbing ({share:.0%} of what is visible teaches, not three quarters): "
                f"{_first_line(cell)!r}. Tag it hide-input, or let one call of tl.plots do it."
            )


def teaching_share(chapter: Chapter) -> float:
    """Return the share of the visible code cells that teach."""
    visible = [cell for cell in chapter.code if not cell.folded]
    return sum(teaches(cell, chapter) for cell in visible) / len(visible) if visible else 1.0


def teaches(cell: CodeCell, chapter: Chapter) -> bool:
    """Tell whether a cell uses a library, a model or tokenizer of the page, or a verb."""
    names = {node.id for node in ast.walk(cell.tree) if isinstance(node, ast.Name)}
    before = chapter.code[: chapter.code.index(cell)]
    known = {name for other in before for name in (*_imported(other.tree), *_made(other.tree))}
    known |= {*_imported(cell.tree)}  # an import that the cell does not use teaches nothing
    return bool(any(_is_verb(name) for name, _ in cell.calls) or names & known)


def _is_verb(name: str) -> bool:
    last = name.rpartition(".")[2]
    return "." in name and any(last == verb or last.startswith(f"{verb}_") for verb in VERBS)


def _imported(tree: ast.AST) -> Iterator[str]:
    """Name what a cell imports from the libraries that the book is about."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] in LIBRARIES:
                    yield alias.asname or alias.name.partition(".")[0]
        elif (
            isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in LIBRARIES
        ):
            yield from (alias.asname or alias.name for alias in node.names)


def _made(tree: ast.AST) -> Iterator[str]:
    """Name the models and tokenizers that a cell makes."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and MAKERS.search(ast.unparse(node.value.func))
        ):
            names = (name for target in node.targets for name in ast.walk(target))
            yield from (name.id for name in names if isinstance(name, ast.Name))


def _first_line(cell: CodeCell) -> str:
    return cell.source.strip().splitlines()[0][:50] if cell.source.strip() else ""


def take_home(page: Page) -> Iterator[str]:
    """A page that trains or probes something ends with a listing that needs no helper of ours."""
    listings = [cell for cell in page.chapter.code if cell.listing]
    trains = any(TRAINS.search(name) for name, _ in page.chapter.calls)
    if trains and not listings:
        yield (
            "trains or probes something and has no listing. Write book/listings/NN-name.py in "
            "plain torch and transformers, and a cell with the metadata 'listing: NN-name'."
        )
    written = read_markdown(page.project.source(page.chapter.slug).read_text("utf-8"))
    try:
        differing = fill_listings(written, page.project)
    except UserError as error:
        yield f"shows no such listing: {error}"
        return
    for name in differing:
        yield f"does not show what book/listings/{name}.py has. Run python -m tools.pair."
    saved = any(SAVES.search(cell.source) for cell in listings)
    for cell in listings:  # one that only measures may stand beside one that trains
        saves = trains and (not saved or bool(PLAIN_TRAINING.search(cell.source)))
        yield from (
            f"shows the listing {cell.listing}, which {problem}" for problem in _plain(cell, saves)
        )


def _plain(cell: CodeCell, saves: bool) -> Iterator[str]:
    code = [line for line in cell.source.splitlines() if not line.lstrip().startswith("#")]
    lines = sum(bool(line.strip()) for line in code)
    if lines > MOST_LINES:
        yield f"has {lines} lines of code, over {MOST_LINES}. Shorten it."
    used = {
        node.attr
        for node in ast.walk(cell.tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "tl"
    }
    if helpers := sorted(used - {"data", "weights_folder"}):
        yield f"uses tl.{helpers[0]}. Use the libraries; only tl.data and tl.weights_folder stay."
    if "# On your own data" not in cell.source:
        yield "does not say how it goes on own data. Close with '# On your own data: ...'."
    if saves and not SAVES.search(cell.source):
        yield "saves no model. End with save_pretrained."


def leads_on(page: Page) -> Iterator[str]:
    """A page links to other chapters, where there are any."""
    others = set(page.project.slugs()) - {page.chapter.slug}
    targets = {
        piece.target.partition("#")[0].removesuffix(".ipynb")
        for block in page.chapter.blocks
        for piece in block.pieces
    }
    if others and not others & targets:
        yield "links to no other chapter. Link where a thought goes on: [...](NN-slug.ipynb)."


def field_words(page: Page) -> Iterator[str]:
    """The glossary's terms of this chapter stand in italics at their first use."""
    text = "\n".join(page.chapter.markdown_cells)
    text = re.sub(r"^#.*$|`[^`\n]*`|\$[^$\n]*\$", "", text, flags=re.MULTILINE)
    for term in terms(page.project):
        if term.chapter != page.chapter.slug:
            continue
        words = r"\s+".join(map(re.escape, term.word.split()))
        found = re.search(rf"(?P<italics>(?<!\*)\*)?\b{words}", text, re.IGNORECASE)
        if found is None:
            yield f"never says {term.word!r}, which book/glossary.md finds here. Use the word."
        elif not found["italics"]:
            yield f"first says {term.word!r} without italics. Write *{term.word}* there."
