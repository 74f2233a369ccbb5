"""Chapter 13: learning rate by epochs, with the new task and an old skill after every epoch.

500 movie sentences; a seed draws them, their order, the fresh classifier and dropout. After the
first epoch, over which it rises, the rate stays as it is: what is measured after three epochs is
then what a run of three epochs ends with, and one run gives a whole row of the grid. A point is a
row's entry; those of a run follow each other, so that it is trained once. The old skill is the
share of 100 headlines of BBC News that find their own article, by the mean vectors of the encoder.

Four rates are the grid that the bars are about. Two lower ones are for the chapter on the paradigm:
what is lost there is not looked at.

After the last epoch: which test sentences are right, with the last weights (``accuracy``) and with
those of the epoch that did best on the validation sentences (``accuracy_of_best``).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from datasets import Dataset, DatasetDict
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right
from tlhelpers.subjects import forgetting
from tlhelpers.training.settings import Event

RATES = [2e-5, 1e-4, 3e-4, 1e-3]
LOW = [2e-6, 6e-6]
LOWEST_WITH_OLD_SKILL = 2e-5
EPOCHS = 10
SEEDS = range(5)
LABELS = 500
HEADLINES = 100
MAX_LENGTH = 64
BATCH_SIZE = 32

Scores = dict[str, float | Right]


def points() -> list[dict]:
    """List the points, the four rates first."""
    return [
        {"labels": LABELS, "learning_rate": rate, "epochs": epochs, "seed": seed}
        for rates in (RATES, LOW)
        for seed in SEEDS
        for rate in rates
        for epochs in range(rate < LOWEST_WITH_OLD_SKILL, EPOCHS + 1)
    ]


def run(point: dict) -> Scores:
    """Say what was measured when a run had done so many epochs; 0 is before it."""
    return _trained(point["learning_rate"], point["seed"])[point["epochs"]]


@lru_cache(maxsize=1)
def _trained(learning_rate: float, seed: int) -> list[Scores]:
    reviews = _reviews()
    train = reviews["train"].shuffle(seed=seed).select(range(LABELS))
    held_out = reviews["validation"]
    model, tokenizer = tl.load(
        "encoder", task="classification", labels=train, profile="tiny", seed=seed, quiet=True
    )
    start = forgetting.copy_of_weights(model)
    watched = learning_rate >= LOWEST_WITH_OLD_SKILL
    after: list[Scores] = [{"old_skill": _skill_before()} if watched else {}]

    def accuracy(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
        right = logits.argmax(axis=1) == labels
        after.append({"validation_accuracy": Right.of(right, held_out["text"][:])})
        return {"accuracy": float(right.mean())}

    def look(event: Event) -> None:
        if event.row is None:
            return
        after[-1]["training_loss"] = event.row["train_loss"]
        changes = forgetting.relative_changes(event.model, start)
        after[-1]["weight_change"] = float(np.median(list(changes.values())))
        if watched:
            after[-1]["old_skill"] = _skill(model, tokenizer)
        if len(after) == EPOCHS + 1:
            after[-1]["accuracy"] = _right(model, tokenizer, reviews["test"])

    result = tl.fit(
        model,
        train,
        held_out,
        tokenizer=tokenizer,
        learning_rate=learning_rate,
        epochs=EPOCHS,
        warmup=1 / EPOCHS,
        schedule="constant",
        batch_size=BATCH_SIZE,
        max_length=MAX_LENGTH,
        metrics=accuracy,
        best_metric="accuracy",
        callbacks=[look],
        seed=seed,
        progress=False,
    )
    after[-1]["accuracy_of_best"] = _right(result.model, tokenizer, reviews["test"])
    after[-1]["best_epoch"] = float(result.best_epoch or 0)
    return after


@lru_cache(maxsize=1)
def _reviews() -> DatasetDict:
    return tl.data("sentiment", profile="tiny", quiet=True)


@lru_cache(maxsize=1)
def _headlines() -> forgetting.Pairs:
    news = tl.data("topics", profile="tiny", quiet=True)
    return forgetting.Pairs.of(news["test"], "headline", "text", HEADLINES)


def _skill(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Right:
    pairs = _headlines()
    return Right.of(forgetting.old_skill(model, tokenizer, pairs), pairs.queries)


@lru_cache(maxsize=1)
def _skill_before() -> Right:
    return _skill(*tl.load("encoder", profile="tiny", quiet=True))


def _right(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, test: Dataset) -> Right:
    logits = tl.predict(model, test, tokenizer, max_length=MAX_LENGTH)
    return Right.of(logits.argmax(axis=1) == np.array(test["label"]), test["text"][:])
