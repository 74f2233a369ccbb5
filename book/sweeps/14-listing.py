"""Chapter 14: does the plain listing do as well as the page's helper, over five seeds?

Both learn from the same 500 English commands; a seed draws them. The test holds the Hindi commands
whose intent is among those of the English training commands. The helper chooses one of four
penalties on English validation commands, the listing has one.
"""

from __future__ import annotations

import numpy as np
from datasets import Dataset

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right
from tools.sweep.listing import listing_and_helper, run_listing

PREFIX = "query: "

points = listing_and_helper


def run(point: dict) -> dict[str, Right]:
    """Train on English commands; note which Hindi ones were right."""
    tl.start("tiny", seed=point["seed"])  # what a listing asks for by role comes from there
    english, hindi = (tl.data("intents", language=code, quiet=True) for code in ("en", "hi"))
    taught = set(english["train"]["label"])
    test = hindi["test"].filter(lambda row: row["label"] in taught)
    if point["method"] == "listing":
        beginning = "seed, prefix = "
        left = run_listing("14-zero-shot", {f"{beginning}0,": f"{beginning}{point['seed']},"})
        return {"accuracy": Right.of(left["right"], test["text"][:])}
    train = english["train"].shuffle(seed=point["seed"]).select(range(500))
    classifier = tl.fit_frozen(
        *tl.load("multilingual", quiet=True),
        _prefixed(train),
        _prefixed(english["validation"]),
        inverse_penalties=(1, 10, 100, 1000),
    )
    guesses = classifier.predict_proba(_prefixed(test)["text"][:]).argmax(axis=1)
    return {"accuracy": Right.of(guesses == np.array(test["label"]), test["text"][:])}


def _prefixed(split: Dataset) -> Dataset:
    return split.map(lambda row: {"text": PREFIX + row["text"]})
