"""Chapter 11: does the plain listing do as well as ``tl.fit``, over five seeds?

LoRA of rank 8 on query and value of the encoder, two epochs on 500 movie sentences, at the rate
that chapter 8 chose for these. The listing saves its adapter, loads it onto a fresh model and
merges it; what it is asked is the merged model. A seed draws the sentences, their order, the fresh
classifier, the factors and dropout.
"""

from __future__ import annotations

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from peft import LoraConfig

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right
from tlhelpers.subjects import lora
from tools.sweep.listing import in_order_of, listing_and_helper, run_listing

SETTINGS = {"learning_rate": 4e-3, "epochs": 2, "batch_size": 16, "max_length": 256}
LABELS = 500

points = listing_and_helper


def run(point: dict) -> dict[str, Right]:
    """Train once; which test sentences are right."""
    seed = point["seed"]
    tl.start("tiny", seed=seed)  # what a listing asks for by role comes from there
    reviews = tl.data("sentiment", quiet=True)
    test = reviews["test"]
    if point["method"] == "listing":
        beginning = "seed, base, reviews = "
        left = run_listing("11-adapter", {f"{beginning}0,": f"{beginning}{seed},"})
        right = in_order_of(test, left["right"])
    else:
        right = _by_helper(reviews["train"].shuffle(seed=seed).select(range(LABELS)), test, seed)
    return {"accuracy": Right.of(right, test["text"][:])}


def _by_helper(train: Dataset, test: Dataset, seed: int) -> NDArray[np.bool_]:
    encoder, tokenizer = tl.load(
        "encoder", task="classification", labels=train, seed=seed, quiet=True
    )
    config = LoraConfig(r=8, lora_alpha=16, target_modules=["query", "value"], task_type="SEQ_CLS")
    model = lora.adapt(encoder, config, seed)
    tl.fit(model, train, tokenizer=tokenizer, seed=seed, progress=False, **SETTINGS)
    logits = tl.predict(model, test, tokenizer, max_length=SETTINGS["max_length"])
    return logits.argmax(axis=1) == np.array(test["label"])
