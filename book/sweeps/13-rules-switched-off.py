"""Chapter 13: the rules against forgetting switched off one by one, and two remedies.

500 movie sentences and three epochs; a seed draws the sentences, their order, the fresh classifier
and dropout. The recipe is the source's with this encoder's rate: HEALTHY (of four the best on
validation sentences after three epochs in 13-catastrophic-forgetting; a test compares), a rate that
rises over the first tenth of the steps and then falls, weight decay 0.01, dropout 0.1 on the head.
``VARIANTS`` says what each changes. RULES are run at that rate; MENDING, what could mend one
that is TOO_HIGH, at the highest of the grid. Ten epochs are the rule of three switched off. 2,000
sentences are run at both rates, to see whether more labels do what the rules do.

Measured at the end: test and validation sentences, the old skill (100 headlines find their
articles) as it is and with the mean vector of headlines and of articles taken off, how far the
matrices have moved, and the length of each of the first ten updates, over all weights. Rehearsal
mixes 8 of 64 pairs of the news' training articles into each update. The training loss of the two
remedies holds what they add to it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict
from transformers import PreTrainedModel, PreTrainedTokenizerBase

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right
from tlhelpers.subjects import forgetting
from tlhelpers.training.layers import freeze
from tlhelpers.training.prediction import LossFunction

HEALTHY, TOO_HIGH = 1e-4, 1e-3
SEEDS = range(5)
LABELS = 500
EPOCHS = 3
HEADLINES = 100
OLD_PAIRS = 64
UPDATES = 10
MAX_LENGTH = 64
BATCH_SIZE = 32

RECIPE: dict[str, Any] = {
    "epochs": EPOCHS,
    "warmup": 0.1,
    "schedule": "linear",
    "weight_decay": 0.01,
    "batch_size": BATCH_SIZE,
    "max_length": MAX_LENGTH,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "recipe": {},
    "no warm-up": {"warmup": 0.0},
    "no warm-up and no decay of the rate": {"warmup": 0.0, "schedule": "constant"},
    "ten epochs": {"epochs": 10},
    "lower rates for lower layers": {"layer_decay": 0.9},
    "lowest two layers frozen": {},
    "no weight decay and no dropout": {"weight_decay": 0.0},
    "gradual unfreezing": {"unfreeze_every": EPOCHS / 8},  # embeddings, six layers, head
    "rehearsal": {},
    "pull to the start": {"weight_decay": 0.0},
}
REMEDIES = ["rehearsal", "pull to the start"]
RULES = [name for name in VARIANTS if name not in REMEDIES]
MENDING = ["recipe", "no warm-up", "gradual unfreezing", *REMEDIES]
LOSSES: dict[str, Callable[[PreTrainedModel, PreTrainedTokenizerBase, int], LossFunction]] = {
    "rehearsal": lambda model, tokenizer, seed: forgetting.Rehearsal(
        model, tokenizer, _pairs("train", OLD_PAIRS), seed=seed
    ),
    "pull to the start": lambda model, tokenizer, seed: forgetting.L2SP(model),
}


def points() -> list[dict]:
    """List the points, those of a seed together."""
    compared = [
        *((name, LABELS, HEALTHY) for name in RULES),
        *((name, LABELS, TOO_HIGH) for name in MENDING),
    ]
    corners = [("recipe", 2_000, HEALTHY), ("recipe", 2_000, TOO_HIGH)]
    return [
        {"variant": name, "labels": labels, "learning_rate": rate, "seed": seed}
        for these in (compared, corners)
        for seed in SEEDS
        for name, labels, rate in these
    ]


def run(point: dict) -> dict[str, float | Right]:
    """Train by the recipe with one thing changed; what was learnt, lost and moved."""
    variant, seed = point["variant"], point["seed"]
    reviews = _reviews()
    train = reviews["train"].shuffle(seed=seed).select(range(point["labels"]))
    model, tokenizer = tl.load(
        "encoder", task="classification", labels=train, profile="tiny", seed=seed, quiet=True
    )
    if variant == "lowest two layers frozen":
        freeze(model, ["layer 0", "layer 1"])
    if variant == "no weight decay and no dropout":
        model.dropout.p = 0.0
    start = forgetting.copy_of_weights(model)
    first = forgetting.UpdateLengths(model, UPDATES)
    loss = LOSSES[variant](model, tokenizer, seed) if variant in LOSSES else None
    result = tl.fit(
        model,
        train,
        tokenizer=tokenizer,
        learning_rate=point["learning_rate"],
        loss_function=loss,
        callbacks=[first],
        seed=seed,
        progress=False,
        **RECIPE | VARIANTS[variant],
    )
    pairs = _pairs("test", HEADLINES)
    queries, documents = (
        tl.embed(model.base_model, tokenizer, texts, max_length=MAX_LENGTH, progress=False)
        for texts in pairs
    )
    found = forgetting.finds_its_own(queries, documents)
    found_centred = forgetting.finds_its_own(
        queries - queries.mean(axis=0), documents - documents.mean(axis=0)
    )
    changes = forgetting.relative_changes(model, start)
    return {
        "accuracy": _right(model, tokenizer, reviews["test"]),
        "validation_accuracy": _right(model, tokenizer, reviews["validation"]),
        "old_skill": Right.of(found, pairs.queries),
        "old_skill_centred": Right.of(found_centred, pairs.queries),
        "training_loss": float(result.history["train_loss"].iloc[-1]),
        "weight_change": float(np.median(list(changes.values()))),
        **{f"weight_change_{layer}": _of_layer(changes, layer) for layer in range(6)},
        **{f"update_{number}": length for number, length in enumerate(first.lengths, start=1)},
    }


@lru_cache(maxsize=1)
def _reviews() -> DatasetDict:
    return tl.data("sentiment", profile="tiny", quiet=True)


@lru_cache(maxsize=2)
def _pairs(split: str, count: int) -> forgetting.Pairs:
    news = tl.data("topics", profile="tiny", quiet=True)
    return forgetting.Pairs.of(news[split], "headline", "text", count)


def _right(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Dataset) -> Right:
    logits = tl.predict(model, texts, tokenizer, max_length=MAX_LENGTH)
    return Right.of(logits.argmax(axis=1) == np.array(texts["label"]), texts["text"][:])


def _of_layer(changes: dict[str, float], layer: int) -> float:
    return float(np.median([c for name, c in changes.items() if f".layer.{layer}." in name]))
