"""Chapter 18: what a label is worth, with four methods, over five seeds.

A seed draws the labelled sentences (fewer are the first of more), their order, the fresh classifier
and dropout. Validation and test sentences stay the same. Fine-tuning and random weights choose
among four learning rates on the validation sentences, by the mean over 200 and 1,000 labels with
seed 0 (stage "tune"; the linear methods choose among four penalties inside their fit); random
weights did best at the upper edge and got a fifth. What they chose is in CHOSEN, and a test
compares CHOSEN with the recorded tuning points. Pretrained weights get a fixed number of epochs;
random weights train until PATIENCE epochs in a row do not improve.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from datasets import Dataset, DatasetDict
from numpy.typing import NDArray

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right

RATES = {"full": [5e-5, 1e-4, 2e-4, 4e-4], "random": [2e-5, 5e-5, 1e-4, 2e-4, 4e-4]}
CHOSEN = {"full": 1e-4, "random": 2e-4}
EPOCHS = {50: 12, 100: 8, 200: 6, 500: 4, 1_000: 2, 2_000: 2, 8_569: 2}  # of the pretrained weights
MOST_EPOCHS, PATIENCE = 12, 3  # of the random weights
SEEDS = range(5)
MAX_LENGTH = 64
BATCH_SIZE = 32
NOT_COMPARED = ("seconds",)


def points() -> list[dict]:
    """List the points, those that other chapters read first."""
    tune = [
        {"stage": "tune", "method": method, "labels": labels, "learning_rate": rate, "seed": 0}
        for labels in (200, 1_000)
        for method, rates in RATES.items()
        for rate in rates
    ]
    compared = [
        (1_000, ("tfidf", "frozen", "full")),
        (2_000, ("tfidf", "frozen", "full")),
        (200, ("tfidf", "frozen", "full")),
        (500, ("tfidf", "frozen", "full")),
        (50, ("tfidf", "frozen", "full")),
        (100, ("tfidf", "frozen", "full")),
        (5_000, ("tfidf", "frozen")),
        (8_569, ("tfidf", "frozen")),
        (200, ("random",)),
        (1_000, ("random",)),
        (2_000, ("random",)),
        (8_569, ("full",)),
    ]
    test = [
        {"stage": "test", "method": method, "labels": labels}
        | ({"learning_rate": CHOSEN[method]} if method in CHOSEN else {})
        | {"seed": seed}
        for labels, methods in compared
        for method in methods
        for seed in SEEDS
    ]
    return tune + test


def run(point: dict) -> dict[str, float | Right]:
    """Train one method on one draw of labels; its best validation accuracy, and the test."""
    reviews = _reviews()
    train = reviews["train"].shuffle(seed=point["seed"]).select(range(point["labels"]))
    if point["method"] in ("tfidf", "frozen"):
        return _linear(point["method"], train, reviews)
    pretrained, seed = point["method"] == "full", point["seed"]
    model, tokenizer = tl.load(
        "encoder",
        task="classification",
        labels=train,
        profile="tiny",
        pretrained=pretrained,
        seed=seed,
        quiet=True,
    )
    train, validation, test = (
        split.map(
            lambda batch: tokenizer(batch["text"], truncation=True, max_length=MAX_LENGTH),
            batched=True,
        )
        for split in (train, reviews["validation"], reviews["test"])
    )
    result = tl.fit(
        model,
        train,
        validation,
        tokenizer=tokenizer,
        learning_rate=point["learning_rate"],
        epochs=EPOCHS[point["labels"]] if pretrained else MOST_EPOCHS,
        schedule="linear" if pretrained else "constant",
        patience=None if pretrained else PATIENCE,
        batch_size=BATCH_SIZE,
        best_metric="accuracy",
        seed=seed,
        progress=False,
    )
    scores: dict[str, float | Right] = {
        "validation_accuracy": float(result.history["validation_accuracy"].max()),
        "best_epoch": float(result.best_epoch or 0),
        "epochs": float(result.history["epoch"].max()),
        "seconds": result.seconds,
    }
    if point["stage"] == "test":
        predicted = np.argmax(tl.predict(result.model, test, tokenizer), axis=1)
        scores["accuracy"] = Right.of(predicted == test["label"], test["text"][:])
    return scores


@lru_cache(maxsize=1)
def _reviews() -> DatasetDict:
    return tl.data("sentiment", profile="tiny", quiet=True)


@lru_cache(maxsize=1)
def _vectors() -> dict[str, NDArray[np.float32]]:
    return {}


def _linear(method: str, train: Dataset, reviews: DatasetDict) -> dict[str, float | Right]:
    validation, test = reviews["validation"], reviews["test"]
    if method == "tfidf":
        classifier = tl.fit_tfidf(train, validation)
    else:
        encoder = tl.load("encoder", profile="tiny", quiet=True)
        classifier = tl.fit_frozen(
            *encoder, train, validation, max_length=MAX_LENGTH, vectors=_vectors()
        )
    texts = test["text"][:]
    predicted = classifier.predict_proba(texts).argmax(axis=1)
    return {
        "validation_accuracy": classifier.accuracy(validation),
        "accuracy": Right.of(predicted == test["label"], texts),
    }
