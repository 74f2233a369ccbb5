"""Chapter 13: does the plain listing do as well as the page's helper, and what does its pull keep?

Three epochs on 500 movie sentences, at the listing's learning rate, with L2-SP; a seed draws the
sentences, their order, the fresh classifier and dropout. ``no pull`` is the listing with alpha 0.
Its old skill is measured by the page's other listing: the first nine words of a hundred news texts
find the rest.
"""

from __future__ import annotations

import tempfile

import numpy as np
from transformers import Trainer

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right
from tlhelpers.subjects import forgetting
from tools.sweep.listing import run_listing

ALPHAS = {"listing": 0.1, "no pull": 0.0}
LEARNING_RATE = 1e-4
SEEDS = range(5)


def points() -> list[dict]:
    """List the points: the listing with and without its pull, and the helper, with each seed."""
    return [{"method": name, "seed": seed} for seed in SEEDS for name in (*ALPHAS, "helper")]


def run(point: dict) -> dict[str, float | Right]:
    """Train once; which test sentences are right, and what is left of the old skill."""
    method, seed = point["method"], point["seed"]
    tl.start("tiny", seed=seed)  # what a listing asks for by role comes from there
    reviews = tl.data("sentiment", quiet=True)
    test = reviews["test"]
    if method in ALPHAS:
        beginning = "seed, alpha, checkpoint = "
        change = {f"{beginning}0, 0.1,": f"{beginning}{seed}, {ALPHAS[method]},"}
        left = run_listing("13-pull", change)
        return {
            "accuracy": Right.of(left["right"], test["text"][:]),
            "old_skill": _watched(left["trainer"]),
        }
    train = reviews["train"].shuffle(seed=seed).select(range(500))
    model, tokenizer = tl.load(
        "encoder", task="classification", labels=train, seed=seed, quiet=True
    )
    result = tl.fit(
        model,
        train,
        tokenizer=tokenizer,
        learning_rate=LEARNING_RATE,
        epochs=3,
        warmup=0.1,
        weight_decay=0.0,
        batch_size=32,
        max_length=64,
        loss_function=forgetting.L2SP(model, alpha=0.1, beta=0.0),
        seed=seed,
        progress=False,
    )
    logits = tl.predict(result.model, test, tokenizer, max_length=64)
    right = logits.argmax(axis=1) == np.array(test["label"])
    return {"accuracy": Right.of(right, test["text"][:])}


def _watched(trainer: Trainer) -> float:
    with tempfile.TemporaryDirectory() as critic:
        trainer.save_model(critic)
        left = run_listing("13-watch", {"folders = [checkpoint]": f"folders = [{critic!r}]"})
    return float(left["found"].float().mean())
