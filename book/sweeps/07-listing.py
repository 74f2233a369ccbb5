"""Chapter 7: does the plain listing do as well as the page's SetFit, over five seeds?

A seed draws 32 sentences of each class, 384 pairs of them and dropout. The listing draws from all
pairs there are, the helper draws as many of one class as of two. The listing's head has
scikit-learn's own penalty; the helper chooses one of four on validation sentences.
"""

from __future__ import annotations

import numpy as np
from datasets import Dataset, concatenate_datasets
from numpy.typing import NDArray

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right
from tlhelpers.subjects import strategies
from tools.sweep.listing import in_order_of, listing_and_helper, run_listing

EACH, PARTNERS = 32, 3
UPDATES = 24  # of 16 pairs, as the helper makes
LEARNING_RATE = 1e-4
MAX_LENGTH = 64

points = listing_and_helper


def run(point: dict) -> dict[str, Right]:
    """Train once; note which test sentences were right."""
    seed = point["seed"]
    tl.start("tiny", seed=seed)  # what a listing asks for by role comes from there
    reviews = tl.data("sentiment", quiet=True)
    test = reviews["test"]
    if point["method"] == "listing":
        right = _by_listing(seed, test)
    else:
        right = _by_helper(seed, reviews["train"], reviews["validation"], test)
    return {"accuracy": Right.of(right, test["text"][:])}


def _by_listing(seed: int, test: Dataset) -> NDArray[np.bool_]:
    """Run the listing as it stands but for its seed, its sentences and its updates."""
    sizes = "seed, each, updates = "
    names = run_listing("07-setfit", {f"{sizes}0, 8, 20": f"{sizes}{seed}, {EACH}, {UPDATES}"})
    return in_order_of(test, names["right"])


def _by_helper(seed: int, train: Dataset, validation: Dataset, test: Dataset) -> NDArray[np.bool_]:
    drawn = train.shuffle(seed=seed).select(range(20 * EACH))
    classes = np.array(drawn["label"])
    rows = [np.flatnonzero(classes == label)[:EACH] for label in (0, 1)]
    few = concatenate_datasets([drawn.select(row) for row in rows])
    encoder, tokenizer = tl.load("encoder", quiet=True)
    strategies.train_on_pairs(
        encoder,
        tokenizer,
        few,
        each=PARTNERS,
        learning_rate=LEARNING_RATE,
        max_length=MAX_LENGTH,
        seed=seed,
    )
    classifier = tl.fit_frozen(encoder, tokenizer, few, validation, max_length=MAX_LENGTH)
    guess = classifier.predict_proba(test["text"][:]).argmax(axis=1)
    return np.asarray(guess == np.array(test["label"]))
