"""Chapter 1: does the plain listing show what the page shows, over five seeds?

A seed draws the 200 labelled sentences, the random weights, the fresh classifier and dropout. The
test sentences are those of the page.
"""

from __future__ import annotations

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right
from tools.sweep.listing import in_order_of, run_listing

SEEDS = range(5)


NETWORKS = {"random": "from random weights", "pretrained": "from pretrained ones"}


def points() -> list[dict]:
    """List the points: each network of the listing with each seed."""
    return [{"method": name, "seed": seed} for seed in SEEDS for name in NETWORKS]


def run(point: dict) -> dict[str, Right]:
    """Run the listing for one of its networks, with another seed; which sentences were right."""
    tl.start("tiny", seed=point["seed"])  # what a listing asks for by role comes from there
    changes = {
        "seed, splits = 0,": f"seed, splits = {point['seed']},",
        '("from random weights", "from pretrained ones")': str([NETWORKS[point["method"]]]),
    }
    right = run_listing("01-two-networks", changes)["right"]
    test = tl.data("sentiment", profile="tiny", quiet=True)["test"]
    return {"accuracy": Right.of(in_order_of(test, right), test["text"][:])}
