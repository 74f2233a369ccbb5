"""Chapter 14: what a training step costs with the whole embedding table and with a pruned one.

One step is forward, backward and update (AdamW) on a batch of English voice commands; the median
of a few is kept. Bytes are counted, not measured: weight, gradient and AdamW's two averages, four
bytes each. A seed draws the batch.
"""

from __future__ import annotations

import gc
import time
from functools import cache

import numpy as np
import torch
from datasets import DatasetDict

import tlhelpers as tl
from tlhelpers.roles import DATASETS
from tlhelpers.subjects import multilingual

PREFIX = "query: "
BATCH_SIZE = 16
STEPS = 5


def points() -> list[dict]:
    """List the points."""
    return [
        {"vocabulary": vocabulary, "seed": seed}
        for seed in range(5)
        for vocabulary in ("whole", "pruned")
    ]


@cache
def _commands() -> dict[str, DatasetDict]:
    return {
        language: tl.data("intents", profile="tiny", language=language, quiet=True)
        for language in DATASETS["intents"]["tiny"].languages
    }


def run(point: dict) -> dict[str, float]:
    """Time training steps."""
    train = _commands()["en"]["train"]
    model, tokenizer = tl.load(
        "multilingual", task="classification", labels=train, profile="tiny", seed=0, quiet=True
    )
    if point["vocabulary"] == "pruned":
        texts = [
            PREFIX + text
            for splits in _commands().values()
            for split in splits.values()
            for text in split["text"]
        ]
        model, tokenizer = multilingual.prune_vocabulary(model, tokenizer, texts)
        gc.collect()
    rows = np.random.default_rng(point["seed"]).permutation(len(train))[:BATCH_SIZE]
    batch = tokenizer(
        [PREFIX + text for text in train.select(rows)["text"]], padding=True, return_tensors="pt"
    )
    labels = torch.tensor(train.select(rows)["label"][:])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    model.train()
    seconds = []
    for _ in range(STEPS + 1):
        begun = time.perf_counter()
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - begun)
    parameters = tl.count_parameters(model)
    return {
        "seconds_a_step": float(np.median(seconds[1:])),  # the first one allocates
        "pieces": float(model.config.vocab_size),
        "million_parameters": parameters / 1e6,
        "megabytes_to_train": 16 * parameters / 1e6,
    }
