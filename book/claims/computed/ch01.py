"""What settles the computed entries of chapter 1."""

from __future__ import annotations

from pathlib import Path


def years_between_papers(first: str, last: str) -> float:
    """Return the years between two sources of the ledger by their arXiv numbers.

    Such a number starts with year and month of the first version: 1810.04805 is of October 2018.
    """
    import re

    from tlhelpers.evidence.ledger import load_ledger

    references = load_ledger(Path(__file__).parents[1], chapter=3).references
    months = []
    for key in (first, last):
        (number,) = re.findall(r"arxiv\.org/abs/(\d{4})\.\d+", references[key].url)
        months.append(12 * int(number[:2]) + int(number[2:]))
    return (months[1] - months[0]) / 12
