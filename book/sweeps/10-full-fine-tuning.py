"""Chapter 10: four ways to spend the same labels on movie sentences, over five seeds.

A seed draws the labelled sentences, their order, the fresh classifier and dropout. Validation and
test sentences stay the same. Each method chooses among four settings on the validation sentences
with 1,000 labels and seed 0 (stage "tune"; the linear ones inside fit_tfidf and fit_frozen); what
it chose is in CHOSEN, and a test compares CHOSEN with the recorded tuning points. Random weights
get twice the epochs that pretrained ones get. With 2,000 labels they would need more again: that is
for chapter 18.
"""

from __future__ import annotations

from datasets import Dataset

import tlhelpers as tl

RATES = {
    "full": [5e-5, 1e-4, 2e-4, 4e-4],
    "random": [1e-4, 2e-4, 4e-4, 8e-4],
}
CHOSEN = {"full": 2e-4, "random": 1e-4}
EPOCHS = {"full": 2, "random": 4}
SEEDS = range(5)
MAX_LENGTH = 64
BATCH_SIZE = 32


def points() -> list[dict]:
    """List the points, cheap and decisive ones first."""
    tune = [
        {"stage": "tune", "method": method, "labels": 1_000, "learning_rate": rate, "seed": 0}
        for method, rates in RATES.items()
        for rate in rates
    ]
    methods = {
        1_000: ("tfidf", "frozen", "full", "random"),
        2_000: ("tfidf", "frozen", "full"),
    }
    test = [
        {"stage": "test", "method": method, "labels": labels}
        | ({"learning_rate": CHOSEN[method]} if method in CHOSEN else {})
        | {"seed": seed}
        for labels, compared in methods.items()
        for method in compared
        for seed in SEEDS
    ]
    return tune + test


def run(point: dict) -> dict[str, float]:
    """Train one method on one draw of labels; accuracy on validation and test sentences."""
    reviews = tl.data("sentiment", profile="tiny", quiet=True)
    train = reviews["train"].shuffle(seed=point["seed"]).select(range(point["labels"]))
    validation, test = reviews["validation"], reviews["test"]
    if point["method"] in ("tfidf", "frozen"):
        return _linear(point["method"], train, validation, test)
    method, seed = point["method"], point["seed"]
    model, tokenizer = tl.load(
        "encoder",
        task="classification",
        labels=train,
        profile="tiny",
        pretrained=method == "full",
        seed=seed,
        quiet=True,
    )
    train, validation, test = (
        split.map(
            lambda batch: tokenizer(batch["text"], truncation=True, max_length=MAX_LENGTH),
            batched=True,
        )
        for split in (train, validation, test)
    )
    result = tl.fit(
        model,
        train,
        validation,
        tokenizer=tokenizer,
        learning_rate=point["learning_rate"],
        epochs=EPOCHS[method],
        batch_size=BATCH_SIZE,
        best_metric="accuracy",
        seed=seed,
        progress=False,
    )
    scores = {"validation_accuracy": float(result.history["validation_accuracy"].max())}
    if point["stage"] == "test":
        scores["accuracy"] = tl.evaluate(result.model, test, tokenizer=tokenizer)["accuracy"]
    return scores


def _linear(method: str, train: Dataset, validation: Dataset, test: Dataset) -> dict[str, float]:
    if method == "tfidf":
        classifier = tl.fit_tfidf(train, validation)
    else:
        encoder = tl.load("encoder", profile="tiny", quiet=True)
        classifier = tl.fit_frozen(*encoder, train, validation, max_length=MAX_LENGTH)
    return {
        "validation_accuracy": classifier.accuracy(validation),
        "accuracy": classifier.accuracy(test),
    }
