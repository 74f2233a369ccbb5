"""Chapter 8: full fine-tuning, its update cut to a rank, and LoRA by rank and by alpha.

500 movie sentences, two epochs in batches of 16; a seed draws the sentences, their order, the
fresh head, dropout and LoRA's factor A. LoRA adapts query and value, and its head is trained.
Every way to train chooses among four learning rates on the validation sentences with seed 0 (stage
"tune"); what it chose is in CHOSEN. Alpha is twice the rank; at rank 8 there is also an eighth of
that, and, on validation sentences only, eight times that. Stage "truncation" takes the fully tuned
model of a seed and cuts the update of every weight matrix in its layers to a rank, or leaves the
first directions out where the rank is negative; biases, norms, embeddings and head stay as tuned.
The same models are also tested with those matrices rounded to NF4.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from datasets import Dataset, DatasetDict
from peft import LoraConfig
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

import tlhelpers as tl
from tlhelpers.subjects import lora

LABELS = 500
EPOCHS = 2
BATCH_SIZE = 16
MAX_LENGTH = 48
SEEDS = range(5)

FULL_RATES = [5e-5, 1e-4, 2e-4, 4e-4]
LORA_RATES = [1e-3, 2e-3, 4e-3, 8e-3]
RANKS = [1, 8, 64]  # alpha is twice the rank
ALPHAS = [2, 128]  # beside 16, at rank 8
CHOSEN = {
    "full": 2e-4,
    "LoRA rank 1, alpha 2": 4e-3,
    "LoRA rank 8, alpha 16": 4e-3,
    "LoRA rank 64, alpha 128": 2e-3,
    "LoRA rank 8, alpha 2": 8e-3,
}

CUTS = [0, 1, 8, -8]  # -8: all but the first eight
SHARES = [1, 2, 4, 8, 16, 32, 64, 128]


def points() -> list[dict]:
    """List the points, decisive ones first."""
    by_rank = [_adapter(rank, 2 * rank) for rank in RANKS]
    full = {"stage": "test", "method": "full", "rank": 384}
    cuts = [full] + [full | {"stage": "truncation", "rank": rank} for rank in CUTS]
    return (
        [point for seed in SEEDS for point in _chosen(by_rank, seed)]
        # A seed's cuts follow each other: they share one trained model.
        + [point for seed in SEEDS for point in _chosen(cuts, seed)]
        + _tune(by_rank, LORA_RATES)
        + _tune([{"method": "full"}], FULL_RATES)
        + _tune([_adapter(8, alpha) for alpha in ALPHAS], LORA_RATES)
        + [point for seed in SEEDS for point in _chosen([_adapter(8, ALPHAS[0])], seed)]
    )


def _adapter(rank: int, alpha: int) -> dict:
    return {"method": f"LoRA rank {rank}, alpha {alpha}", "rank": rank, "alpha": alpha}


def _tune(methods: list[dict], rates: list[float]) -> list[dict]:
    return [
        {"stage": "tune", **method, "learning_rate": rate, "seed": 0}
        for method in methods
        for rate in rates
    ]


def _chosen(points: list[dict], seed: int) -> list[dict]:
    return [
        {"stage": "test"} | point | {"learning_rate": CHOSEN[point["method"]], "seed": seed}
        for point in points
    ]


def run(point: dict) -> dict[str, float]:
    """Train, or cut a trained update; accuracy on validation or test sentences."""
    reviews = _reviews()
    rate, seed = point["learning_rate"], point["seed"]
    if point["method"] == "full":
        model, tokenizer, _ = _full(rate, seed)
    else:
        model, tokenizer = _lora(point["rank"], point["alpha"], rate, seed)

    def accuracy(texts: Dataset) -> float:
        return tl.evaluate(model, texts, tokenizer, max_length=MAX_LENGTH)["accuracy"]

    if point["stage"] == "tune":
        return {"validation_accuracy": accuracy(reviews["validation"])}
    if point["stage"] == "truncation":
        with lora.truncated(model, _updates(rate, seed), point["rank"]):
            return {"accuracy": accuracy(reviews["test"])}
    scores = {"accuracy": accuracy(reviews["test"])}
    if point["method"] == "full":
        updates = _updates(rate, seed)
        scores |= _spectra(updates, seed)
        tuned = lora.weights(model)
        rounded = {name: lora.round_to_levels(w, lora.nf4_levels()) for name, w in tuned.items()}
        lengths = [(u.values.norm() / u.start.norm()).item() for u in updates.values()]
        errors = [((rounded[n] - w).norm() / w.norm()).item() for n, w in tuned.items()]
        scores |= {"update_length": np.median(lengths), "rounding_length": np.median(errors)}
        with lora.replaced(model, rounded):
            scores["accuracy_in_4_bits"] = accuracy(reviews["test"])
    return scores


def _spectra(updates: dict[str, lora.Update], seed: int) -> dict[str, float]:
    """Give the median share of the first directions, of the updates and of random ones."""
    noise = {name: lora.random_like(update, seed) for name, update in updates.items()}
    shares = {}
    for kind, these in {"share": updates, "random": noise}.items():
        medians = np.median(lora.energy_shares(these, SHARES), axis=0)
        shares |= {f"{kind}_{rank}": float(m) for rank, m in zip(SHARES, medians, strict=True)}
    return shares


@lru_cache(maxsize=1)
def _reviews() -> DatasetDict:
    return tl.data("sentiment", profile="tiny", quiet=True)


def _start(seed: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, Dataset]:
    train = _reviews()["train"].shuffle(seed=seed).select(range(LABELS))
    labelled = {"task": "classification", "labels": train, "seed": seed}
    return *tl.load("encoder", profile="tiny", quiet=True, **labelled), train


def _train(
    model: nn.Module, texts: Dataset, tokenizer: PreTrainedTokenizerBase, rate: float, seed: int
) -> None:
    tl.fit(
        model,
        texts,
        tokenizer=tokenizer,
        learning_rate=rate,
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        max_length=MAX_LENGTH,
        seed=seed,
        progress=False,
    )


@lru_cache(maxsize=1)
def _full(rate: float, seed: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, dict]:
    model, tokenizer, texts = _start(seed)
    before: dict[str, Tensor] = lora.weights(model)
    _train(model, texts, tokenizer, rate, seed)
    return model, tokenizer, before


@lru_cache(maxsize=1)
def _updates(rate: float, seed: int) -> dict[str, lora.Update]:
    model, _, before = _full(rate, seed)
    return lora.updates(before, model)


def _lora(
    rank: int, alpha: int, rate: float, seed: int
) -> tuple[nn.Module, PreTrainedTokenizerBase]:
    model, tokenizer, texts = _start(seed)
    config = LoraConfig(
        r=rank, lora_alpha=alpha, target_modules=["query", "value"], task_type="SEQ_CLS"
    )
    adapted = lora.adapt(model, config, seed=seed)
    _train(adapted, texts, tokenizer, rate, seed)
    return adapted, tokenizer
