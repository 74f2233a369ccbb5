"""Rules for what a page shows: figures with a text alternative, something to play with."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nbformat import NotebookNode

from tools.contract.chapter_text import Chapter
from tools.contract.page import Page


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


def shown_outputs(cell: NotebookNode) -> list[NotebookNode]:
    """Give what a cell shows its reader: all but what it wrote to stderr."""
    return [
        output
        for output in cell.get("outputs", [])
        if not (output.output_type == "stream" and output.name == "stderr")
    ]
