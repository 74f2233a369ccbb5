"""Chapter 8: full fine-tuning, its update cut to a rank, and LoRA by rank and by alpha.

500 movie sentences, two epochs in batches of 16; a seed draws the sentences, their order, the
fresh head, dropout and LoRA's factor A. LoRA adapts query and value, and its head is trained.
Every way to train chooses among three learning rates on the validation sentences with seed 0
(stage "tune"), round the best of an earlier recording; what it chose is in CHOSEN. Alpha is twice
the rank; at rank 8 there are also an eighth and four times of that. Stage "truncation" takes the
fully tuned model of a seed and cuts the update of every weight matrix in its layers to its first
pieces, or leaves those out where the rank is negative; biases, norms, embeddings and head stay as
tuned. The same models are also tested with those matrices rounded to NF4. Stage "again" tunes in
full once more, from the same head on the same sentences, in another order and with other dropout,
and compares the two updates of each matrix. Stage "listing" runs the plain listing of the page.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from datasets import Dataset, DatasetDict
from peft import LoraConfig
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right
from tlhelpers.subjects import lora

LISTINGS = Path(__file__).resolve().parents[1] / "listings"
LABELS = 500
EPOCHS = 2
BATCH_SIZE = 16
MAX_LENGTH = 48
SEEDS = range(5)

RATES = {
    "full": [1e-4, 2e-4, 4e-4],
    "LoRA rank 1, alpha 2": [2e-3, 4e-3, 8e-3],
    "LoRA rank 4, alpha 8": [2e-3, 4e-3, 8e-3],
    "LoRA rank 8, alpha 16": [2e-3, 4e-3, 8e-3],
    "LoRA rank 64, alpha 128": [1e-3, 2e-3, 4e-3],
    "LoRA rank 8, alpha 2": [4e-3, 8e-3, 16e-3],
    "LoRA rank 8, alpha 64": [1e-3, 2e-3, 4e-3],
}
CHOSEN = {
    "full": 2e-4,
    "LoRA rank 1, alpha 2": 4e-3,
    "LoRA rank 4, alpha 8": 4e-3,
    "LoRA rank 8, alpha 16": 4e-3,
    "LoRA rank 64, alpha 128": 2e-3,
    "LoRA rank 8, alpha 2": 8e-3,
    "LoRA rank 8, alpha 64": 2e-3,
}
ADAPTERS = [(1, 2), (4, 8), (8, 16), (64, 128), (8, 2), (8, 64)]  # rank and alpha

CUTS = {"nothing": 0, "the first piece": 1, "the first eight": 8, "all but the first eight": -8}
SHARES = [1, 2, 4, 8, 16, 32, 64, 128]


def points() -> list[dict]:
    """List the points: LoRA from the front, full fine-tuning from the end, the choices first.

    Points that share a trained model follow each other.
    """
    adapters = [_adapter(rank, alpha) for rank, alpha in ADAPTERS]
    full = {"method": "full", "rank": 384}
    chosen = [point for each in adapters for point in (*_tune(each), _test(each, 0))]
    by_rank = [_test(each, seed) for seed in SEEDS[1:] for each in adapters[:4]]
    by_alpha = [_test(each, seed) for seed in SEEDS[1:] for each in adapters[4:]]
    listed = {"stage": "listing", "method": "listing", "rank": 8, "alpha": 16}
    listing = [listed | {"seed": seed} for seed in SEEDS]
    updates = [point for seed in SEEDS for point in _updates_of(_test(full, seed))]
    return chosen + by_rank + listing + by_alpha + list(reversed(_tune(full) + updates))


def _adapter(rank: int, alpha: int) -> dict:
    return {"method": f"LoRA rank {rank}, alpha {alpha}", "rank": rank, "alpha": alpha}


def _tune(method: dict) -> list[dict]:
    """Try each rate, the one that is tested last."""
    rates = sorted(RATES[method["method"]], key=lambda rate: rate == CHOSEN[method["method"]])
    return [{"stage": "tune", **method, "learning_rate": rate, "seed": 0} for rate in rates]


def _test(method: dict, seed: int) -> dict:
    rate = CHOSEN[method["method"]]
    return {"stage": "test", **method, "learning_rate": rate, "seed": seed}


def _updates_of(full: dict) -> list[dict]:
    cuts = [
        full | {"stage": "truncation", "kept": kept, "rank": rank} for kept, rank in CUTS.items()
    ]
    return [full | {"kept": "all of it"}, *cuts, full | {"stage": "again"}]


def run(point: dict) -> dict[str, float | Right]:
    """Train, or cut a trained update; which validation or test sentences are right then."""
    if point["stage"] == "listing":
        return {"accuracy": _listing(point["seed"])}
    rate, seed = point["learning_rate"], point["seed"]
    if point["stage"] == "again":
        return _in_common(rate, seed)
    if point["method"] == "full":
        model, tokenizer, _ = _full(rate, seed)
    else:
        model, tokenizer = _lora(point["rank"], point["alpha"], rate, seed)

    def right(split: str) -> Right:
        texts = _reviews()[split]
        logits = tl.predict(model, texts, tokenizer, max_length=MAX_LENGTH)
        return Right.of(logits.argmax(axis=1) == np.array(texts["label"]), texts["text"][:])

    if point["stage"] == "tune":
        return {"validation_accuracy": right("validation")}
    if point["stage"] == "truncation":
        with lora.truncated(model, _updates(rate, seed), point["rank"]):
            return {"accuracy": right("test")}
    scores: dict[str, float | Right] = {"accuracy": right("test")}
    if point["method"] == "full":
        updates = _updates(rate, seed)
        scores |= _spectra(updates, seed)
        tuned = lora.weights(model)
        rounded = {name: lora.round_to_levels(w, lora.nf4_levels()) for name, w in tuned.items()}
        lengths = [(u.values.norm() / u.start.norm()).item() for u in updates.values()]
        errors = [((rounded[n] - w).norm() / w.norm()).item() for n, w in tuned.items()]
        scores |= {"update_length": np.median(lengths), "rounding_length": np.median(errors)}
        with lora.replaced(model, rounded):
            scores["accuracy_in_4_bits"] = right("test")
    return scores


def _listing(seed: int) -> Right:
    """Run the listing as it stands but for its seed."""
    tl.start("tiny", seed=seed)  # what a listing asks for by role comes from there
    source = (LISTINGS / "08-lora.py").read_text("utf-8")
    seeded, found = re.subn(r"(?m)^(seed, .* = )0,", rf"\g<1>{seed},", source)
    assert found == 1, "the listing sets its seed in another way"
    names: dict = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        exec(compile(seeded, "08-lora", "exec"), names)
    test = _reviews()["test"]
    # The listing reads the test texts in another order; comparisons in pairs want one order.
    place = Dataset.from_dict({"row": range(len(test))}).shuffle(seed=0)[:1000]["row"]
    right = np.zeros(len(test), dtype=bool)
    right[place] = names["right"]
    return Right.of(right, test["text"][:])


def _in_common(rate: float, seed: int) -> dict[str, float]:
    """Give the median cosine of the updates of two runs: of all, the first eight, the rest."""
    ours, theirs = _updates(rate, seed), _updates_in_another_order(rate, seed)
    parts = {"cosine": 384, "cosine_first_8": 8, "cosine_rest": -8}
    return {
        name: float(np.median([ours[matrix].cosine(theirs[matrix], rank) for matrix in ours]))
        for name, rank in parts.items()
    }


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


def _updates_in_another_order(rate: float, seed: int) -> dict[str, lora.Update]:
    model, tokenizer, texts = _start(seed)
    before = lora.weights(model)
    _train(model, texts, tokenizer, rate, 100 + seed)
    return lora.updates(before, model)


@lru_cache(maxsize=1)
def _updates(rate: float, seed: int) -> dict[str, lora.Update]:
    model, _, before = _full(rate, seed)
    return lora.updates(before, model)


@lru_cache(maxsize=1)
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
