"""Hold every chapter to the contract of its page, and print what it is made of.

    python -m tools.contract.page          all chapters
    python -m tools.contract.page 10       one

The rules are in RULES below, each a function that says what is wrong and what to do. They look at
the chapter as written and, where it has been run, at its outputs. What they cannot see: whether
the prose is true or clear, and whether the sentence after a result is about that result.
"""

from __future__ import annotations

import argparse
import ast
import re
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tlhelpers.evidence.claims import NOT_SHOWN
from tlhelpers.evidence.ledger import FIRM_VERDICTS, Ledger, load_ledger
from tools.contract.chapter_text import Chapter, read_chapter
from tools.contract.prose_numbers import uncovered_numbers, unused_phrases
from tools.project import Project, UserError

WORDS = (800, 1800)
MEDIAN_LINES, P90_LINES, MOST_LINES = 5, 12, 30
MOST_DEFINING = 0.05
# A load and its result may stand together; a third output in a row wants a word in between.
MOST_RESULTS_IN_A_ROW = 2
SETUP_CELLS = 3
HTML_TAGS = {"details", "summary", "img", "sub", "sup", "br", "kbd", "p", "b", "i", "em", "strong"}
HTML_TAGS |= {"code", "pre", "ul", "ol", "li", "a", "table", "thead", "tbody", "tr", "td", "th"}
CLOSING = ("three things to remember", "exercises", "references")


@dataclass(frozen=True)
class Page:
    """What a rule may look at."""

    chapter: Chapter
    ledger: Ledger
    project: Project


Rule = Callable[[Page], Iterator[str]]


def opening(page: Page) -> Iterator[str]:
    """A page opens with its title, what the reader will be able to do, minutes, needs."""
    before = [block for block in page.chapter.blocks if not block.section]
    text = " ".join(block.text for block in before)
    if not any(block.kind == "heading" for block in before):
        yield "has no title. Start with '# ' and the title."
    if not re.search(r"you will be able to", text, re.IGNORECASE):
        yield "does not say what a reader will be able to do. Write '**You will be able to** ...'."
    time = re.search(r"\*{0,2}Time:?.*", text)
    for word, what in (("CPU", "a CPU"), ("GPU", "a GPU"), (r"minutes?|seconds?", "minutes")):
        if not time or not re.search(word, time.group()):
            yield f"does not say the time ({what}). Write '**Time:** ... minutes on CPU, ... GPU'."
    if not re.search(r"you need|needs", text, re.IGNORECASE):
        yield "does not say what it needs. Write '**You need:** ...'."


def closing(page: Page) -> Iterator[str]:
    """A page closes with three things to remember, exercises, and references with links."""
    titles = [title.lower() for title in page.chapter.sections]
    places = []
    for wanted in CLOSING:
        found = [place for place, title in enumerate(titles) if title.startswith(wanted)]
        if not found:
            yield f"has no section '## {wanted.capitalize()}'. Add it at the end, in this order."
        places += found[:1]
    if places != sorted(places):
        yield f"closes in another order than: {', '.join(CLOSING)}. Move the sections."
    things = _list_items(page.chapter, "three things to remember")
    if "three things to remember" in titles and len(things) != 3:
        yield f"has {len(things)} things to remember, not three. Write a list of three sentences."
    for item in things:
        if not item.strip():
            yield "has an empty thing to remember. Write a sentence."
    if "exercises" in titles and not any(
        block.kind != "heading" for block in page.chapter.section("exercises")
    ):
        yield "has no exercises under '## Exercises'. Add two to four."
    references = page.chapter.section("references")
    if "references" in titles:
        entries = [b for b in references if b.kind == "text" and b.text.strip()]
        if not entries:
            yield "has no references under '## References'. List each source with its link."
        for block in entries:
            if not any(piece.target.startswith("https://") for piece in block.pieces):
                yield f"has a reference without a link: {block.text[:60]!r}. Link it."


def _list_items(chapter: Chapter, section: str) -> list[str]:
    inside, items = False, []
    for source in chapter.markdown_cells:
        for line in source.splitlines():
            if line.startswith("## "):
                inside = line[3:].strip().lower().startswith(section)
            elif inside and (match := re.match(r"(?:\d+\.|[-*])(?:\s+(.*))?$", line)):
                items.append(match.group(1) or "")
    return items


_FORBIDDEN = (
    (r"^\s*(```+|~~~+)\s*\{", "a directive"),
    (r"^\s*:::", "a directive with colons"),
    (r"\{[a-zA-Z][\w:-]*\}`", "a role"),
    (r"^\([\w-]+\)=\s*$", "a target label"),
    (r"\[@[\w:-]+|(?<![\w@])@[a-z]+\d{4}\b", "a citation key"),
    (r"\[\^[\w-]+\]", "a footnote"),
    (r"^\s*%\s", "a MyST comment"),
    (r"^\s*\\begin\{", "a LaTeX environment outside maths"),
)


def plain_markdown(page: Page) -> Iterator[str]:
    """Only what the book, JupyterLab and Colab all render: no directive, role or citation."""
    for source in page.chapter.markdown_cells:
        text = re.sub(r"\$\$.*?\$\$", "", source, flags=re.DOTALL)
        text = re.sub(r"^(```+|~~~+)(?!\s*\{).*?^\1\s*$", "", text, flags=re.DOTALL | re.MULTILINE)
        for pattern, what in _FORBIDDEN:
            if match := re.search(pattern, text, re.MULTILINE):
                line = text[match.start() :].strip().splitlines()[0]
                yield f"uses {what}, which Colab does not show: {line[:60]!r}. Use plain Markdown."
        without_code = re.sub(r"`[^`]*`", "", text)
        for tag in re.findall(r"</?([a-zA-Z][\w-]*)(?=[\s>/])", without_code):
            if tag.lower() not in HTML_TAGS:
                yield f"uses <{tag}>, which not every reader's page shows. Use plain Markdown."
        for image in re.findall(r"!\[(\s*)\]\(|<img(?![^>]*\balt=\"[^\"]+)[^>]*>", without_code):
            yield f"has an image without alt text {image!r}. Say what it shows."


def links(page: Page) -> Iterator[str]:
    """A relative link leads to a chapter that exists, or to its exercises."""
    for block in page.chapter.blocks:
        for piece in block.pieces:
            target = piece.target.partition("#")[0]
            if not target or re.match(r"[a-z]+:", target):
                continue
            slug, _, ending = target.rpartition("/")[2].rpartition(".")
            if target == f"exercises/{slug}.ipynb":
                found = page.project.student_notebook(slug).exists()
            else:
                found = ending == "ipynb" and slug in page.project.slugs()
            if not found:
                yield (
                    f"links to {piece.target!r}, which is no chapter. "
                    "Link to NN-slug.ipynb or exercises/NN-slug.ipynb: these work in the book, in "
                    "Jupyter and on Colab."
                )


def start(page: Page) -> Iterator[str]:
    """A page begins with the parameters cell, the import, and tl.start with a seed."""
    code = page.chapter.code
    if not code or "parameters" not in code[0].tags or code[0].source.strip() != 'profile = "auto"':
        yield "does not start with the cell 'profile = \"auto\"', tagged parameters. Put it first."
    if len(code) < 2 or "import tlhelpers as tl" not in code[1].source:
        yield "does not import tlhelpers in its second cell. Write 'import tlhelpers as tl' there."
    starts = [call for cell in code[:4] for name, call in cell.calls if name == "tl.start"]
    if not starts:
        yield "does not call tl.start in its first cells. Write 'run = tl.start(profile, seed=0)'."
    elif not any(keyword.arg == "seed" for call in starts for keyword in call.keywords):
        yield "calls tl.start without a seed, so no two runs agree. Add seed=0."


def thin_cells(page: Page) -> Iterator[str]:
    """One thought a cell: median at most 5 lines, 90th percentile 12, none over 30."""
    for cell in page.chapter.code:
        if not cell.is_python:
            first = cell.source.strip().splitlines()[0]
            yield f"has a cell that is not Python: {first[:50]!r}. Mend it."
    count = CellCount.of(page.chapter)
    if count.median > MEDIAN_LINES:
        yield f"has a median of {count.median:g} lines a cell, over {MEDIAN_LINES}. Split cells."
    if count.p90 > P90_LINES:
        yield f"has a 90th percentile of {count.p90:g} lines, over {P90_LINES}. Split long cells."
    for cell in page.chapter.code:
        if cell.lines > MOST_LINES:
            first = cell.source.strip().splitlines()[0]
            yield f"has a cell of {cell.lines} lines, over {MOST_LINES}: {first[:50]!r}. Split it."
    if count.defining > MOST_DEFINING:
        yield (
            f"defines functions or classes in {count.defining:.0%} of its cells, over "
            f"{MOST_DEFINING:.0%}. Move what other pages could use into tlhelpers, inline the rest."
        )


def length(page: Page) -> Iterator[str]:
    """800 to 1,800 words, the references not counted."""
    words = count_words(page.chapter)
    if not WORDS[0] <= words <= WORDS[1]:
        yield f"has {words} words, not {WORDS[0]} to {WORDS[1]}. Say more, or say it shorter."


def results_are_told(page: Page) -> Iterator[str]:
    """Prose follows a result: no three outputs in a row, and none at the end of the page."""
    notebook = page.chapter.executed or page.chapter.notebook
    code = {cell.position: cell for cell in page.chapter.code}
    # The executed copy has the same cells; if it is older than the text, its outputs say nothing.
    same = page.chapter.executed is not None and [c.source for c in notebook.cells] == [
        c.source for c in page.chapter.notebook.cells
    ]
    setup = {cell.position for cell in page.chapter.code[:SETUP_CELLS]}
    row: list[str] = []
    for position, cell in enumerate(page.chapter.notebook.cells):
        if cell.cell_type == "markdown":
            row = []
        elif position in code and position not in setup:
            if same:
                bears_result = bool(_shown_outputs(notebook.cells[position]))
            else:
                bears_result = code[position].shows_something
            if bears_result:
                row.append(cell.source.strip().splitlines()[0])
            if len(row) == MOST_RESULTS_IN_A_ROW + 1:
                yield (
                    f"shows {len(row)} results without a word between, up to {row[-1][:50]!r}. "
                    "Say what to see after each."
                )
    if row:
        yield f"ends with a result that nothing is said about: {row[-1][:50]!r}. Add a sentence."


def _shown_outputs(cell: NotebookNode) -> list[NotebookNode]:
    return [
        output
        for output in cell.get("outputs", [])
        if not (output.output_type == "stream" and output.name == "stderr")
    ]


def something_to_see_and_to_play_with(page: Page) -> Iterator[str]:
    """At least one figure and one tl.explore a page."""
    if not count_figures(page.chapter):
        yield "has no figure. Draw one with tl.plots, or tl.show(figure, alt=...)."
    if not any(name == "tl.explore" for name, _ in page.chapter.calls):
        yield "has nothing to play with. Add a tl.explore."


def figures_speak(page: Page) -> Iterator[str]:
    """Every figure in the executed page has a text alternative.

    Titles and axis labels are demanded by tlhelpers.visuals.plots when a figure is drawn, so a page
    that ran has them; an image that bypassed it is refused here.
    """
    if page.chapter.executed is None:
        return
    for cell in page.chapter.executed.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            for kind in ("image/png", "image/jpeg", "image/svg+xml"):
                if kind in data:
                    yield (
                        f"shows a bare {kind} from {cell.source.strip().splitlines()[0][:50]!r}. "
                        "Show it with tl.show(figure, alt=...), which demands title and labels."
                    )
            page_html = str(data.get("text/html", ""))
            for svg in re.findall(r"<svg\b[^>]*>", page_html):
                if not re.search(r'aria-label="[^"]+"|aria-hidden="true"', svg):
                    yield "has a drawing (svg) without aria-label. Give it alt=..."
            for image in re.findall(r"<img\b[^>]*>", page_html):
                if not re.search(r'\balt="[^"]*"', image):
                    yield "has an <img> without alt text in an output. Give it alt=..."


def numbers_have_entries(page: Page) -> Iterator[str]:
    """A number typed in prose lies in a phrase of a ledger entry of that chapter."""
    entries = page.ledger.of_chapter(page.chapter.number, also=True)
    for found in uncovered_numbers(page.chapter, entries):
        yield (
            f"types {found.text!r} in '...{found.context}...' ({found.section or 'opening'}), "
            "which no entry stands behind. Print it from the run, spell it as a word, or add it "
            f"to prose: of an entry in book/claims/{page.chapter.slug}.yaml."
        )


def claims_exist(page: Page) -> Iterator[str]:
    """Every id in tl.claim, tl.expect and tl.show_claims is in the ledger."""
    known = {entry.id for entry in page.ledger.entries}
    for name, call in page.chapter.calls:
        for claim_id in _claim_ids(name, call):
            if claim_id not in known:
                yield f"uses claim {claim_id!r}, which is not in the ledger. Add it, or correct it."


def verdicts_hold(page: Page) -> Iterator[str]:
    """What the executed page says of a claim with a firm verdict is not "not shown"."""
    if page.chapter.executed is None:
        return
    printed = "\n".join(
        str(output.get("text", ""))
        for cell in page.chapter.executed.cells
        for output in cell.get("outputs", [])
    )
    for entry in page.ledger.entries:
        if entry.verdict in FIRM_VERDICTS and f"{NOT_SHOWN}: {entry.claim}" in printed:
            yield (
                f"does not show {entry.id} in this run, which the ledger calls {entry.verdict}. "
                f"Find out which is wrong: mend the page, or change the verdict in {entry.file}."
            )


def corrections_are_shown(page: Page) -> Iterator[str]:
    """A correction is shown in the chapter where a reader meets it."""
    number = page.chapter.number
    corrected = {e.id for e in page.ledger.of_chapter(number) if e.verdict == "corrected"}
    shown: set[str] = set()
    for name, call in page.chapter.calls:
        shown |= set(_claim_ids(name, call))
        if name == "tl.show_claims" and any(
            keyword.arg == "chapter" and ast.unparse(keyword.value) == str(number)
            for keyword in call.keywords
        ):
            shown |= corrected
    for claim_id in sorted(corrected - shown):
        yield f"does not show its correction {claim_id}. Add tl.show_claims(chapter={number})."


def _claim_ids(name: str, call: ast.Call) -> Iterator[str]:
    if name in ("tl.claim", "tl.expect") and call.args:
        if isinstance(call.args[0], ast.Constant):
            yield str(call.args[0].value)
    elif name == "tl.show_claims":
        for keyword in call.keywords:
            if keyword.arg == "ids" and isinstance(keyword.value, ast.List | ast.Tuple):
                for item in keyword.value.elts:
                    if isinstance(item, ast.Constant):
                        yield str(item.value)


def notebook_is_bare(page: Page) -> Iterator[str]:
    """The notebook that Colab opens stores no outputs."""
    path = page.project.notebook(page.chapter.slug)
    if not path.exists():
        yield f"has no notebook {path.name}. Make it: python -m tools.pair."
        return
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and (cell.outputs or cell.execution_count is not None):
            yield f"stores outputs in notebooks/{path.name}. Write it anew: python -m tools.pair."
            return


RULES: tuple[Rule, ...] = (
    opening,
    closing,
    plain_markdown,
    links,
    start,
    thin_cells,
    length,
    results_are_told,
    something_to_see_and_to_play_with,
    figures_speak,
    numbers_have_entries,
    claims_exist,
    verdicts_hold,
    corrections_are_shown,
    notebook_is_bare,
)


def problems(page: Page, rules: Sequence[Rule] = RULES) -> list[str]:
    """Return what a page breaks, one sentence each, with what to do."""
    return [problem for rule in rules for problem in dict.fromkeys(rule(page))]


# ---------------------------------------------------------------------------------------------
# Statistics


@dataclass(frozen=True)
class CellCount:
    """Statistics of the code cells of a page; lines are those that are not blank."""

    cells: int
    median: float
    p90: float
    most: int
    defining: float

    @classmethod
    def of(cls, chapter: Chapter) -> CellCount:
        """Count."""
        lines = sorted(cell.lines for cell in chapter.code)
        if not lines:
            return cls(0, 0, 0, 0, 0)
        p90 = statistics.quantiles(lines, n=10, method="inclusive")[-1] if lines[1:] else lines[0]
        defining = sum(cell.defines for cell in chapter.code) / len(lines)
        return cls(len(lines), statistics.median(lines), p90, lines[-1], defining)


def count_words(chapter: Chapter) -> int:
    """Count the words of the prose; maths counts as one word, references not at all."""
    total = 0
    for block in chapter.blocks:
        if not block.section.lower().startswith("references"):
            text = "".join("x" if piece.role == "maths" else piece.text for piece in block.pieces)
            total += len(re.findall(r"\w[\w'’.-]*", text))
    return total


def count_figures(chapter: Chapter) -> int:
    """Count figures: in the outputs, or, where the page has not been run, calls that draw."""
    if chapter.executed is not None:
        pages = [
            str(output.get("data", {}).get("text/html", ""))
            for cell in chapter.executed.cells
            for output in cell.get("outputs", [])
        ]
        return sum("<svg" in page or "<img" in page for page in pages)
    return sum(name.startswith("tl.plots.") or name == "tl.show" for name, _ in chapter.calls)


HEADS = ("chapter", "words", "cells", "median", "p90", "most", "define", "figures", "explore")
CLAIM_HEADS = ("claims", "expect", "unused")


def statistics_row(page: Page) -> list[str]:
    """Return the statistics of a page, in the order of its heads."""
    chapter, count = page.chapter, CellCount.of(page.chapter)
    names = [name for name, _ in chapter.calls]
    entries = page.ledger.of_chapter(chapter.number)
    cells = [count.cells, f"{count.median:g}", f"{count.p90:.1f}", count.most]
    cells += [f"{count.defining:.0%}", count_figures(chapter), names.count("tl.explore")]
    cells += [len(entries), names.count("tl.expect"), len(unused_phrases(chapter, entries))]
    return [chapter.slug, str(count_words(chapter)), *(str(cell) for cell in cells)]


def statistics_table(rows: Sequence[Sequence[str]]) -> str:
    """Align the rows under their heads."""
    table = [(*HEADS, *CLAIM_HEADS), *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([first, *rest]))
    return "\n".join(lines)


def read_page(project: Project, slug: str, ledger: Ledger, profile: str = "tiny") -> Page:
    """Read a chapter with its outputs, where it has been run."""
    chapter = read_chapter(project.source(slug), project.executed(slug, profile))
    return Page(chapter, ledger, project)


# ---------------------------------------------------------------------------------------------
# Two runs of one page

_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*(?:e[+-]?\d+)?")
# What a clock or a memory meter says is allowed to vary.
_VARIES = re.compile(
    r"\d+(?:[.,:]\d+)*\s*(?:s|ms|µs|us|min|minutes?|seconds?|it/s|MB|MiB|GB|GiB|kB)\b|0x[0-9a-f]+"
    r"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?"
)


def differences(one: NotebookNode, other: NotebookNode) -> list[str]:
    """Return the numbers that differ between two executions of one page on one machine.

    Times, memory, dates and addresses are left out, and so is what a cell tagged ``varies`` shows.
    """
    found = []
    cells = [(a, b) for a, b in zip(one.cells, other.cells, strict=True) if a.cell_type == "code"]
    for first, second in cells:
        if "varies" in first.metadata.get("tags", ()):
            continue
        numbers = [_numbers_shown(first), _numbers_shown(second)]
        if numbers[0] != numbers[1]:
            pairs = list(zip(*numbers, strict=False))
            changed = next((f"{a} and {b}" for a, b in pairs if a != b), "how many there are")
            line = (first.source.strip() or "(empty)").splitlines()[0]
            found.append(
                f"two runs differ in {changed}, shown by {line[:60]!r}. Set the seed, or tag "
                "the cell 'varies' if it shows a clock."
            )
    return found


def _numbers_shown(cell: NotebookNode) -> list[str]:
    texts = []
    for output in _shown_outputs(cell):
        data = output.get("data", {})
        texts.append(output.get("text") or data.get("text/plain") or "")
    return _NUMBER.findall(_VARIES.sub(" ", " ".join(texts)))


def main(arguments: Sequence[str] | None = None, project: Project | None = None) -> int:
    """Print the statistics and the problems; 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m tools.contract.page", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("chapters", nargs="*", help="number, slug or file; all by default")
    options = parser.parse_args(arguments)
    project = project or Project()
    ledger = load_ledger()
    try:
        slugs = [slug for slug in project.select(options.chapters) if _is_written(project, slug)]
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    pages = [read_page(project, slug, ledger) for slug in slugs]
    print(statistics_table([statistics_row(page) for page in pages]))
    status = 0
    for page in pages:
        for problem in problems(page):
            print(f"{page.chapter.slug} {problem}", file=sys.stderr)
            status = 1
    return status


def _is_written(project: Project, slug: str) -> bool:
    path: Path = project.source(slug)
    return path.exists()


if __name__ == "__main__":
    raise SystemExit(main())
