"""Chapter 10: do the plain listings do as well as the page, over five seeds?

A seed draws the labelled sentences, their order, the fresh classifier and dropout, as in
`10-full-fine-tuning`, whose test sentences these are too.
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

LISTINGS = Path(__file__).resolve().parents[1] / "listings"
SEEDS = range(5)


def points() -> list[dict]:
    """List the points: each listing with each seed."""
    return [{"method": name, "seed": seed} for seed in SEEDS for name in ("loop", "trainer")]


def run(point: dict) -> dict[str, Right]:
    """Run a listing as it stands but for its seed; which test sentences it got right."""
    tl.start("tiny", seed=point["seed"])  # what a listing asks for by role comes from there
    source = (LISTINGS / f"10-{point['method']}.py").read_text("utf-8")
    seeded, found = re.subn(r"(?m)^(seed, .* = )0,", rf"\g<1>{point['seed']},", source)
    assert found == 1, "the listing sets its seed in another way"
    names = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        exec(compile(seeded, f"10-{point['method']}", "exec"), names)
    test = tl.data("sentiment", profile="tiny", quiet=True)["test"]
    # The listing reads the test texts in another order; comparisons in pairs want one order.
    place = Dataset.from_dict({"row": range(len(test))}).shuffle(seed=0)[:1000]["row"]
    right = np.zeros(len(test), dtype=bool)
    right[place] = names["right"]
    return {"accuracy": Right.of(right, test["text"][:])}
