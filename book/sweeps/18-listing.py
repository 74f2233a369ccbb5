"""Chapter 18: does the plain listing do as well as the page's frozen encoder, over five seeds?

A seed draws the labelled sentences. Compared are the vectors of the encoder with 200 and 1,000
labels; the page's helper chooses among penalties on validation sentences, the listing by
cross-validation.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right
from tools.sweep.listing import in_order_of, run_listing

SEEDS = range(5)


def points() -> list[dict]:
    """List the points: the listing and the helper with each seed, at two numbers of labels."""
    return [
        {"method": name, "labels": labels, "seed": seed}
        for seed in SEEDS
        for labels in (200, 1_000)
        for name in ("listing", "helper")
    ]


def run(point: dict) -> dict[str, Right]:
    """Train on a draw of labels; note which test sentences were right."""
    tl.start("tiny", seed=point["seed"])  # what a listing asks for by role comes from there
    reviews = tl.data("sentiment", quiet=True)
    train = reviews["train"].shuffle(seed=point["seed"]).select(range(point["labels"]))
    texts = reviews["test"]["text"][:]
    if point["method"] == "listing":
        return {"accuracy": Right.of(_by_listing(point, reviews["test"]), texts)}
    encoder = tl.load("encoder", quiet=True)
    classifier = tl.fit_frozen(*encoder, train, reviews["validation"], vectors=_vectors())
    predicted = classifier.predict_proba(texts).argmax(axis=1)
    return {"accuracy": Right.of(predicted == reviews["test"]["label"], texts)}


@lru_cache(maxsize=1)
def _vectors() -> dict[str, NDArray[np.float32]]:
    return {}


def _by_listing(point: dict, test: Dataset) -> NDArray[np.bool_]:
    """Run the listing as it stands but for its seed and its numbers of labels."""
    sizes = f"seed, sizes = {point['seed']}, (50, {point['labels']})"
    names = run_listing("18-curve", {"seed, sizes = 0, (50, 200, 1_000)": sizes})
    return in_order_of(test, names["right"])
