"""Chapter 1: does the plain listing show what the page shows, over five seeds?

A seed draws the 200 labelled sentences, the random weights, the fresh classifier and dropout. The
test sentences are those of the page.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path

import numpy as np
from datasets import Dataset

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right

LISTING = Path(__file__).resolve().parents[1] / "listings" / "01-two-networks.py"
SEEDS = range(5)


NETWORKS = {"random": "from random weights", "pretrained": "from pretrained ones"}


def points() -> list[dict]:
    """List the points: each network of the listing with each seed."""
    return [{"method": name, "seed": seed} for seed in SEEDS for name in NETWORKS]


def run(point: dict) -> dict[str, Right]:
    """Run the listing for one of its networks, with another seed; which sentences were right."""
    tl.start("tiny", seed=point["seed"])  # what a listing asks for by role comes from there
    source, found = re.subn(
        r"(?m)^seed, splits = 0,", f"seed, splits = {point['seed']},", LISTING.read_text("utf-8")
    )
    assert found == 1, "the listing sets its seed in another way"
    source, found = re.subn(
        r"for begun in .*:", f"for begun in {[NETWORKS[point['method']]]}:", source
    )
    assert found == 1, "the listing names its networks in another way"
    names = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        exec(compile(source, LISTING.stem, "exec"), names)
    test = tl.data("sentiment", profile="tiny", quiet=True)["test"]
    # The listing reads the test texts in another order; comparisons in pairs want one order.
    place = Dataset.from_dict({"row": range(len(test))}).shuffle(seed=0)[:1_000]["row"]
    right = np.zeros(len(test), dtype=bool)
    right[place] = names["right"]
    return {"accuracy": Right.of(right, test["text"][:])}
