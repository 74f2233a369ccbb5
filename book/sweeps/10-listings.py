"""Chapter 10: do the plain listings do as well as the page, over five seeds?

A seed draws the labelled sentences, their order, the fresh classifier and dropout. The page's own
training has the settings that chapter 18's sweep chose.
"""

from __future__ import annotations

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right
from tools.sweep.listing import in_order_of, run_listing

SEEDS = range(5)


def points() -> list[dict]:
    """List the points: the page's training and each listing, with each seed."""
    return [
        {"method": name, "seed": seed} for seed in SEEDS for name in ("page", "loop", "trainer")
    ]


def run(point: dict) -> dict[str, Right]:
    """Train once, by the page or by a listing; which test sentences were right."""
    tl.start("tiny", seed=point["seed"])  # what is asked for by role comes from there
    test = tl.data("sentiment", profile="tiny", quiet=True)["test"]
    train = _by_page if point["method"] == "page" else _by_listing
    return {"accuracy": Right.of(train(point, test), test["text"][:])}


def _by_page(point: dict, test: Dataset) -> NDArray[np.bool_]:
    reviews = tl.data("sentiment", profile="tiny", quiet=True)
    train = reviews["train"].shuffle(seed=point["seed"]).select(range(1_000))
    model, tokenizer = tl.load(
        "encoder", task="classification", labels=train, seed=point["seed"], quiet=True
    )
    train, validation, test = (
        split.map(
            lambda batch: tokenizer(batch["text"], truncation=True, max_length=64), batched=True
        )
        for split in (train, reviews["validation"], test)
    )
    result = tl.fit(
        model,
        train,
        validation,
        tokenizer=tokenizer,
        learning_rate=1e-4,
        epochs=2,
        batch_size=32,
        best_metric="accuracy",
        seed=point["seed"],
        progress=False,
    )
    return np.argmax(tl.predict(result.model, test, tokenizer), axis=1) == test["label"]


def _by_listing(point: dict, test: Dataset) -> NDArray[np.bool_]:
    """Run a listing as it stands but for its seed."""
    changes = {"seed, epochs, cut = 0,": f"seed, epochs, cut = {point['seed']},"}
    if point["method"] == "trainer":
        changes = {"seed, splits = 0,": f"seed, splits = {point['seed']},"}
    return in_order_of(test, run_listing(f"10-{point['method']}", changes)["right"])
