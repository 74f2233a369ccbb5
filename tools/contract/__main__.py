"""Hold every chapter to the contract of its page, and print what it is made of.

    python -m tools.contract          all chapters
    python -m tools.contract 10       one

The rules are listed in `tools.contract.rules`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tlhelpers.evidence.ledger import load_ledger
from tools.contract.cells import CellCount
from tools.contract.figures import count_figures
from tools.contract.page import Page, read_page
from tools.contract.prose import count_words
from tools.contract.prose_numbers import unused_phrases
from tools.contract.rules import problems
from tools.contract.teaching import teaching_share
from tools.project import Project, UserError

HEADS = ("chapter", "words", "cells", "median", "p90", "most", "define", "teach")
SHOWN_HEADS = ("figures", "explore")
CLAIM_HEADS = ("claims", "expect", "unused")


def statistics_row(page: Page) -> list[str]:
    """Return the statistics of a page, in the order of its heads."""
    chapter, count = page.chapter, CellCount.of(page.chapter)
    names = [name for name, _ in chapter.calls]
    entries = page.ledger.of_chapter(chapter.number)
    cells = [count.cells, f"{count.median:g}", f"{count.p90:.1f}", count.most]
    cells += [f"{count.defining:.0%}", f"{teaching_share(chapter):.0%}"]
    cells += [count_figures(chapter), names.count("tl.explore")]
    cells += [len(entries), names.count("tl.expect"), len(unused_phrases(chapter, entries))]
    return [chapter.slug, str(count_words(chapter)), *(str(cell) for cell in cells)]


def statistics_table(rows: Sequence[Sequence[str]]) -> str:
    """Align the rows under their heads."""
    table = [(*HEADS, *SHOWN_HEADS, *CLAIM_HEADS), *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([first, *rest]))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None, project: Project | None = None) -> int:
    """Print the statistics and the problems; 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m tools.contract", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("chapters", nargs="*", help="number, slug or file; all by default")
    options = parser.parse_args(arguments)
    project = project or Project()
    ledger = load_ledger()
    try:
        slugs = [slug for slug in project.select(options.chapters) if project.source(slug).exists()]
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


if __name__ == "__main__":
    raise SystemExit(main())
