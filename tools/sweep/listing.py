"""A page's plain listing as a point of a sweep: run as it stands, but for its seed."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import ArrayLike, NDArray

from tools.project import Project
from tools.sweep.plan import SweepError


def listing_and_helper() -> list[dict[str, Any]]:
    """List the points of a sweep that sets a listing beside the book's helper, over five seeds."""
    return [{"method": name, "seed": seed} for seed in range(5) for name in ("listing", "helper")]


def run_listing(name: str, changes: Mapping[str, str]) -> dict[str, Any]:
    """Run a listing in an empty folder, and return the names that it leaves.

    Parameters
    ----------
    name : str
        ``10-loop``, for ``book/listings/10-loop.py``.
    changes : mapping of str to str
        What stands there instead of a piece of its text, which it has once.

    Raises
    ------
    SweepError
        If a piece is not there, or more than once: the listing was changed meanwhile.
    """
    source = Project().listing(name).read_text("utf-8")
    for old, new in changes.items():
        if (found := source.count(old)) != 1:
            raise SweepError(f"{name}: {old!r} is there {found} times, not once. Mend the sweep.")
        source = source.replace(old, new)
    names: dict[str, Any] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        exec(compile(source, name, "exec"), names)
    return names


def in_order_of(test: Dataset, right: ArrayLike) -> NDArray[np.bool_]:
    """Put what a listing got right into the order of the test texts, to compare in pairs.

    Parameters
    ----------
    test : Dataset
        The N test texts.
    right : sequence of K bool
        Of the first K of them as listings shuffle them, with seed 0.

    Returns
    -------
    array of bool of shape (N,)
        False where the listing was not asked.
    """
    answers = np.asarray(right, dtype=bool)
    place = Dataset.from_dict({"row": range(len(test))}).shuffle(seed=0)[: len(answers)]["row"]
    ordered = np.zeros(len(test), dtype=bool)
    ordered[place] = answers
    return ordered
