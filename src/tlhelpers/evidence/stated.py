"""What the text that the book implements states in one place, to be held against another place.

The text itself is not part of the project: the ledger has each of its figures as it is printed.
"""

from __future__ import annotations

import re

from tlhelpers.evidence.ledger import load_ledger

_NUMBER = re.compile(r"(\d[\d,]*(?:\.\d+)?)\s?([KMB]?)\b")
_TIMES = {"": 1, "K": 1_000, "M": 1_000_000, "B": 1_000_000_000}


def numbers_stated(claim_id: str) -> list[float]:
    """Give the numbers that the text states in a claim, in their order.

    Parameters
    ----------
    claim_id : str
        Id of an entry; its figure ``"1K–50K labels"`` gives 1,000 and 50,000.

    Returns
    -------
    list of int or float
        Whole numbers as such.

    Raises
    ------
    KeyError
        If there is no such entry.
    ValueError
        If the text states no number there.
    """
    source = load_ledger(chapter=int(claim_id[:2]))[claim_id].source
    figure = source.figure if source else ""
    found = [
        float(number.replace(",", "")) * _TIMES[unit] for number, unit in _NUMBER.findall(figure)
    ]
    if not found:
        raise ValueError(f"{claim_id} states no number (figure: {figure!r}). Name one that does.")
    return [int(number) if number.is_integer() else number for number in found]
