"""Chapter 4: does the plain listing learn as much as ``tl.fit``, over five seeds?

A small GPT-2 reads 256,000 tokens of news. Both have the listing's pieces, blocks and settings; a
seed draws the weights and the order of the blocks. The score is the share of the next tokens of
500 test blocks that the model guesses at once.
"""

from __future__ import annotations

from typing import Any

import torch

import tlhelpers as tl
from tlhelpers.subjects import pretraining
from tools.sweep.listing import listing_and_helper, run_listing

points = listing_and_helper


def run(point: dict[str, Any]) -> dict[str, float]:
    """Train once; how often the next token is guessed."""
    seed = point["seed"]
    tl.start("tiny", seed=seed)  # what a listing asks for by role comes from there
    if point["method"] == "helper":
        return _by_helper(seed)
    left = run_listing("04-next-token", {"seed, news = 0,": f"seed, news = {seed},"})
    return {"accuracy": float(left["right"].float().mean())}


def _by_helper(seed: int) -> dict[str, float]:
    known = tl.load("decoder", task="causal", profile="tiny", quiet=True)[1]
    news = tl.data("running-text", profile="tiny", quiet=True)
    texts = {name: news[name]["text"][:] for name in ("train", "test")}
    pieces = known.train_new_from_iterator(texts["train"], 2_000)
    train, test = (
        pretraining.blocks([text + pieces.eos_token for text in texts[name]], pieces)
        for name in ("train", "test")
    )
    model = pretraining.fresh_model("causal", pieces, seed, positions=64)
    tl.fit(
        model,
        {"input_ids": train.tolist()},
        tokenizer=pieces,
        collator=pretraining.collator("causal", pieces),
        learning_rate=1e-3,
        batch_size=4,
        max_steps=1_000,
        seed=seed,
        progress=False,
    )
    rows = test[:500]
    with torch.inference_mode():
        right = model.eval()(rows[:, :-1]).logits.argmax(dim=2) == rows[:, 1:]
    return {"accuracy": float(right.float().mean())}
