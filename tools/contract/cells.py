"""Rules for the code cells of a page: how it starts, how thin they are, that results are told."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

import nbformat

from tools.contract.chapter_text import Chapter
from tools.contract.figures import shown_outputs
from tools.contract.page import Page

MEDIAN_LINES, P90_LINES, MOST_LINES = 5, 12, 30
MOST_DEFINING = 0.05
# A load and its result may stand together; a third output in a row wants a word in between.
MOST_RESULTS_IN_A_ROW = 2
SETUP_CELLS = 3


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
        if cell.lines > MOST_LINES and not cell.listing:
            first = cell.source.strip().splitlines()[0]
            yield f"has a cell of {cell.lines} lines, over {MOST_LINES}: {first[:50]!r}. Split it."
    if count.defining > MOST_DEFINING:
        yield (
            f"defines functions or classes in {count.defining:.0%} of its cells, over "
            f"{MOST_DEFINING:.0%}. Move what other pages could use into tlhelpers, inline the rest."
        )


@dataclass(frozen=True)
class CellCount:
    """Statistics of the cells that a page runs; lines are those that are not blank."""

    cells: int
    median: float
    p90: float
    most: int
    defining: float

    @classmethod
    def of(cls, chapter: Chapter) -> CellCount:
        """Count."""
        cells = [cell for cell in chapter.code if not cell.listing]
        lines = sorted(cell.lines for cell in cells)
        if not lines:
            return cls(0, 0, 0, 0, 0)
        p90 = statistics.quantiles(lines, n=10, method="inclusive")[-1] if lines[1:] else lines[0]
        defining = sum(cell.defines for cell in cells) / len(lines)
        return cls(len(lines), statistics.median(lines), p90, lines[-1], defining)


def results_are_told(page: Page) -> Iterator[str]:
    """Prose follows a result: no three outputs in a row, and none at the end of the page."""
    notebook = page.chapter.executed or page.chapter.notebook
    code = {cell.position: cell for cell in page.chapter.code if not cell.listing}
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
                bears_result = bool(shown_outputs(notebook.cells[position]))
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
