"""Chapter 5: one of the five steps gone wrong, the others as they should be.

500 texts and three epochs; a seed draws the texts, their order, the fresh classifier and dropout.
The recipe is that of 13-rules-switched-off, at its HEALTHY rate (a test compares).

``shuffled ids``: each id but the special ones looks up another id's vector, in training and in
the test alike, as with a tokenizer that counts the same pieces in another order. ``first`` and
``last``: 16 tokens of a text, the two special ones among them; its beginning or its end. Film
sentences are cut in this way, and news articles, whose whole is not run.

Measured: which test texts are right, and the mean training loss of each epoch.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from datasets import DatasetDict
from transformers import PreTrainedModel, PreTrainedTokenizerBase

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right

SEEDS = range(5)
LABELS = 500
SHORT = 16
RECIPE: dict[str, Any] = {
    "learning_rate": 1e-4,
    "epochs": 3,
    "warmup": 0.1,
    "schedule": "linear",
    "weight_decay": 0.01,
    "batch_size": 32,
    "max_length": 64,
}
COMPARED = [
    ("sentiment", "right"),
    ("sentiment", "shuffled ids"),
    ("sentiment", "first"),
    ("sentiment", "last"),
    ("topics", "first"),
    ("topics", "last"),
]


def points() -> list[dict]:
    """List the points, those of a seed together."""
    return [
        {"stage": "test", "task": task, "variant": variant, "seed": seed}
        for seed in SEEDS
        for task, variant in COMPARED
    ]


def run(point: dict) -> dict[str, float | Right]:
    """Train with one step gone wrong; the test, and what the training loss showed."""
    variant, seed = point["variant"], point["seed"]
    texts = _texts(point["task"])
    train, test = texts["train"].shuffle(seed=seed).select(range(LABELS)), texts["test"]
    model, tokenizer = tl.load(
        "encoder", task="classification", labels=train, profile="tiny", seed=seed, quiet=True
    )
    tokenizer.truncation_side = "left" if variant == "last" else "right"  # the side that is lost
    if variant == "shuffled ids":
        _shuffle_ids(model, tokenizer, seed)
    recipe = RECIPE | ({"max_length": SHORT} if variant in ("first", "last") else {})
    result = tl.fit(
        model,
        train,
        tokenizer=tokenizer,
        text_columns=["text"],
        seed=seed,
        progress=False,
        **recipe,
    )
    length = recipe["max_length"]
    logits = tl.predict(model, test, tokenizer, text_columns=["text"], max_length=length)
    losses = enumerate(result.history["train_loss"], start=1)
    return {
        "accuracy": Right.of(logits.argmax(axis=1) == np.array(test["label"]), test["text"][:]),
        **{f"training_loss_{epoch}": float(loss) for epoch, loss in losses},
    }


def _shuffle_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, seed: int) -> None:
    """Let each id look up another one's vector; the special ones keep their own."""
    table = model.get_input_embeddings().weight
    ordinary = np.setdiff1d(np.arange(len(table)), tokenizer.all_special_ids)
    exchanged = np.random.default_rng(seed).permutation(ordinary)
    with torch.no_grad():
        table[ordinary] = table[exchanged]


@lru_cache(maxsize=2)
def _texts(role: str) -> DatasetDict:
    return tl.data(role, profile="tiny", quiet=True)
