"""Chapter 7: each strategy on the same movie sentences, with the same budget for tuning.

A seed draws the labelled sentences (those of 18-transfer-vs-scratch, and fewer are the first of
more), their order, what is new in the model, and dropout. Validation and test sentences stay the
same. Each trained method chooses among four learning rates on the validation sentences (stage
"tune"), with the labels and seeds in TUNED_WITH; what it chose is in CHOSEN, and a test compares.
The best of the four was the highest for the prefix, which therefore gets two more.
Full fine-tuning did that in chapter 18, and is trained at FULL_RATE here; a test compares it, too.
The linear classifiers choose among four penalties inside their fit. All weights are those of the
last update: no method looks at validation sentences while it is trained. SetFit takes a few
sentences, as many of each class, and for each as many partners as make 320 pairs or a few more.

"gradual" unfreezes a layer each eighth of the epochs and gives each layer 0.9 of the rate of the
one above; stage "old skill" does so at full fine-tuning's rate, where the two rates differ. The old
skill is chapter 13's: 100 headlines find their articles.

Stage "prompt" asks the decoder about the first 200 test sentences. A seed draws four examples, two
of each class; they are shown in three orders, and in the first order with three wordings. Stage
"zero" asks without an example.

Memory is what a training step of 32 sentences keeps, counted and not measured.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from functools import lru_cache
from itertools import permutations
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict, concatenate_datasets
from numpy.typing import NDArray
from peft import LoraConfig, PrefixTuningConfig
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right
from tlhelpers.subjects import forgetting, lora, strategies
from tlhelpers.subjects.strategies import Prompt

FULL_RATE = 1e-4
RATES = {
    "gradual": [1e-4, 2e-4, 4e-4, 8e-4],
    "lora": [1e-3, 2e-3, 4e-3, 8e-3],
    "adapters": [1e-3, 2e-3, 4e-3, 8e-3],
    "prefix": [5e-3, 1e-2, 2e-2, 4e-2, 8e-2, 1.6e-1],
    "setfit": [5e-5, 1e-4, 2e-4, 4e-4],
}
CHOSEN = {"gradual": 2e-4, "lora": 4e-3, "adapters": 4e-3, "prefix": 8e-2, "setfit": 1e-4}
TUNED_WITH = {method: [(500, 0)] for method in RATES} | {"setfit": [(16, 0), (16, 1)]}
EPOCHS = {100: 8, 500: 4, 2_000: 2}  # chapter 18's
FEW = [8, 16, 64]
SEEDS = range(5)
MAX_LENGTH = 64
BATCH_SIZE = 32
HEADLINES = 100
NOT_COMPARED = ("seconds",)

RANK, ALPHA, PREFIX_LENGTH, BOTTLENECK = 8, 16, 20, 64
LAYERS_OF_GRADUAL, LAYER_DECAY = 8, 0.9  # embeddings, six layers, head
PARTNERS = {8: 20, 16: 10, 64: 3}  # 320 to 384 pairs

ASKED = 200
SHOTS = 4
ORDERS = 3
WORDINGS = [
    Prompt((" negative", " positive"), "Review: {text}\nSentiment:"),
    Prompt((" bad", " good"), "{text}\nAll in all, the film was"),
    Prompt(
        (" negative", " positive"),
        "{text}\nAnswer:",
        "Is what the critic says about the film negative or positive?",
    ),
]
WITHOUT_CONTENT = ("N/A", "", "[MASK]")  # of Zhao et al. 2021

Scores = dict[str, float | Right]


def points() -> list[dict]:
    """List the points: first what chooses, and what needs no choice; then what bars are about."""
    tune = [
        {"stage": "tune", "method": method, "labels": labels, "learning_rate": rate, "seed": seed}
        for method, rates in RATES.items()
        for labels, seed in TUNED_WITH[method]
        for rate in rates
    ]
    frozen = [
        {"stage": "test", "method": "frozen", "labels": labels, "seed": seed}
        for labels in (SHOTS, *FEW, *EPOCHS)
        for seed in SEEDS
    ]
    asked = [
        {"stage": "zero", "method": "prompt", "shots": 0, "wording": w, "seed": 0}
        for w in (0, 1, 2)
    ]
    asked += [{"stage": "prompt", "method": "prompt", "shots": SHOTS, "seed": s} for s in SEEDS]
    compared = [
        (500, ("full", "gradual", "lora", "adapters", "prefix")),
        (16, ("setfit",)),
        (64, ("setfit",)),
        (8, ("setfit",)),
        (2_000, ("full", "lora")),
        (100, ("full", "gradual", "lora", "adapters", "prefix")),
    ]
    rates = {"full": FULL_RATE} | CHOSEN
    test = [
        {"stage": "test", "method": method, "labels": labels}
        | {"learning_rate": rates[method], "seed": seed}
        for labels, methods in compared
        for method in methods
        if method in rates
        for seed in SEEDS
    ]
    at_one_rate = [
        {"stage": "old skill", "method": "gradual", "labels": 500}
        | {"learning_rate": FULL_RATE, "seed": seed}
        for seed in SEEDS
        if CHOSEN.get("gradual", FULL_RATE) != FULL_RATE
    ]
    return tune + frozen + asked + test + at_one_rate


def run(point: dict) -> Scores:
    """Adapt a model in one way; which test sentences are right, and what it took."""
    if point["method"] == "prompt":
        return _zero(point["wording"]) if point["stage"] == "zero" else _prompts(point["seed"])
    if point["method"] == "frozen":
        return _frozen(point["labels"], point["seed"])
    if point["method"] == "setfit":
        return _setfit(point)
    return _trained(point)


@lru_cache(maxsize=1)
def _reviews() -> DatasetDict:
    return tl.data("sentiment", profile="tiny", quiet=True)


def _train(labels: int, seed: int) -> Dataset:
    return _reviews()["train"].shuffle(seed=seed).select(range(labels))


def _balanced(labels: int, seed: int) -> Dataset:
    """Take the first sentences of each class, one class after the other."""
    shuffled = _reviews()["train"].shuffle(seed=seed).select(range(20 * labels))
    classes = np.array(shuffled["label"])
    each = labels // 2
    rows = [np.flatnonzero(classes == label)[:each] for label in (0, 1)]
    return concatenate_datasets([shuffled.select(row) for row in rows])


def _right(split: str, guess: NDArray[np.int64]) -> Scores:
    """Say which sentences are right; of the test's also which of those that prompts are about."""
    texts, right = _reviews()[split]["text"][:], guess == np.array(_reviews()[split]["label"])
    if split == "validation":
        return {"validation_accuracy": Right.of(right, texts)}
    asked = Right.of(right[:ASKED], texts[:ASKED])
    return {"accuracy": Right.of(right, texts), "accuracy_asked": asked}


# --------------------------------------------------------------------------------------------
# Trained
# --------------------------------------------------------------------------------------------


def _trained(point: dict) -> Scores:
    method, labels, seed = point["method"], point["labels"], point["seed"]
    train = _train(labels, seed)
    model, tokenizer = _model(method, train, seed)
    how: dict[str, Any] = {}
    if method == "gradual":
        how = {
            "unfreeze_every": EPOCHS[labels] / LAYERS_OF_GRADUAL,
            "layer_decay": LAYER_DECAY,
        }
    scores = _cost(model, tokenizer, train)
    result = tl.fit(
        model,
        train,
        tokenizer=tokenizer,
        learning_rate=point["learning_rate"],
        epochs=EPOCHS[labels],
        batch_size=BATCH_SIZE,
        max_length=MAX_LENGTH,
        seed=seed,
        progress=False,
        **how,
    )
    scores["seconds"] = result.seconds
    split = "validation" if point["stage"] == "tune" else "test"
    logits = tl.predict(model, _reviews()[split], tokenizer, max_length=MAX_LENGTH)
    scores |= _right(split, logits.argmax(axis=1))
    if split == "test" and labels == 500 and method in ("full", "gradual"):
        skill = forgetting.old_skill(model, tokenizer, _headlines())
        scores["old_skill"] = Right.of(skill, _headlines().queries)
    return scores


def _model(
    method: str, train: Dataset, seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    model, tokenizer = tl.load(
        "encoder", task="classification", labels=train, profile="tiny", seed=seed, quiet=True
    )
    if method == "adapters":
        model = strategies.add_adapters(model, BOTTLENECK, seed)
    elif method == "lora":
        config = LoraConfig(
            r=RANK, lora_alpha=ALPHA, target_modules=["query", "value"], task_type="SEQ_CLS"
        )
        model = lora.adapt(model, config, seed)
    elif method == "prefix":
        prefix = PrefixTuningConfig(num_virtual_tokens=PREFIX_LENGTH, task_type="SEQ_CLS")
        model = lora.adapt(model, prefix, seed)
    return model, tokenizer


def _cost(model: nn.Module, tokenizer: PreTrainedTokenizerBase, train: Dataset) -> Scores:
    """Count what is trained, and what a step keeps, in megabytes."""
    texts = train["text"][:BATCH_SIZE]
    batch = tokenizer(
        texts, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt"
    )
    memory = strategies.training_memory(model, batch)
    return {
        "trained": float(tl.count_parameters(model, trainable=True)),
        "memory": sum(memory) / 1e6,
        "memory_activations": memory.activations / 1e6,
    }


@lru_cache(maxsize=1)
def _headlines() -> forgetting.Pairs:
    news = tl.data("topics", profile="tiny", quiet=True)
    return forgetting.Pairs.of(news["test"], "headline", "text", HEADLINES)


# --------------------------------------------------------------------------------------------
# Features and a linear classifier
# --------------------------------------------------------------------------------------------


def _frozen(labels: int, seed: int) -> Scores:
    train = _balanced(labels, seed) if labels <= max(FEW) else _train(labels, seed)
    vectors = dict(_held_out_vectors())
    encoder = tl.load("encoder", profile="tiny", quiet=True)
    started = time.perf_counter()
    scores = _linear(*encoder, train, vectors)
    weights = tl.count_parameters(encoder.model)
    return scores | {
        "seconds": time.perf_counter() - started,
        "memory": 4 * weights / 1e6,
        "memory_activations": 0.0,
    }


@lru_cache(maxsize=1)
def _held_out_vectors() -> dict[str, NDArray[np.float32]]:
    texts = [text for split in ("validation", "test") for text in _reviews()[split]["text"][:]]
    encoder = tl.load("encoder", profile="tiny", quiet=True)
    found = tl.embed(*encoder, texts, max_length=MAX_LENGTH, progress=False)
    return dict(zip(texts, found, strict=True))


def _linear(
    encoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: Dataset,
    vectors: dict[str, NDArray[np.float32]],
    splits: Sequence[str] = ("validation", "test"),
) -> Scores:
    classifier = tl.fit_frozen(
        encoder,
        tokenizer,
        train,
        _reviews()["validation"],
        max_length=MAX_LENGTH,
        vectors=vectors,
    )
    scores: Scores = {
        "trained": float(classifier.head.coef_.size + classifier.head.intercept_.size)
    }
    for split in splits:
        guess = classifier.predict_proba(_reviews()[split]["text"][:]).argmax(axis=1)
        scores |= _right(split, guess)
    return scores


def _setfit(point: dict) -> Scores:
    train = _balanced(point["labels"], point["seed"])
    model, tokenizer = tl.load("encoder", profile="tiny", quiet=True)
    cost = _cost(model, tokenizer, _train(BATCH_SIZE, point["seed"]))
    started = time.perf_counter()
    strategies.train_on_pairs(
        model,
        tokenizer,
        train,
        each=PARTNERS[point["labels"]],
        learning_rate=point["learning_rate"],
        max_length=MAX_LENGTH,
        seed=point["seed"],
    )
    seconds = time.perf_counter() - started
    splits = ("validation",) if point["stage"] == "tune" else ("validation", "test")
    scores = _linear(model, tokenizer, train, {}, splits)
    trained = {"trained": float(cost["trained"]) + float(scores["trained"])}
    return scores | cost | trained | {"seconds": seconds}


# --------------------------------------------------------------------------------------------
# Prompts
# --------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _decoder() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    return tl.load("decoder", task="causal", profile="tiny", quiet=True)


def _answers(prompt: Prompt, prefix: str = "", calibrated: bool = False) -> Right:
    """Say of the first test sentences which are right after a prefix."""
    asked = _reviews()["test"].select(range(ASKED))
    scores = _scores(prompt, prefix, tuple(asked["text"]))
    if calibrated:
        empty = _scores(prompt, prefix, WITHOUT_CONTENT)
        scores = strategies.calibrated(scores, empty)
    return Right.of(scores.argmax(axis=1) == np.array(asked["label"]), asked["text"][:])


@lru_cache(maxsize=8)
def _scores(prompt: Prompt, prefix: str, texts: tuple[str, ...]) -> NDArray[np.float32]:
    return strategies.label_log_probabilities(*_decoder(), prompt, texts, prefix=prefix)


def _zero(wording: int) -> Scores:
    prompt = WORDINGS[wording]
    started = time.perf_counter()
    accuracy = _answers(prompt, prompt.prefix())
    return {
        "accuracy": accuracy,
        "seconds": time.perf_counter() - started,
        "accuracy_calibrated": _answers(prompt, prompt.prefix(), calibrated=True),
    }


def _prompts(seed: int) -> Scores:
    examples = _balanced(SHOTS, seed)
    texts, labels = examples["text"][:], examples["label"][:]
    draw = random.Random(seed)
    orders = draw.sample(list(permutations(range(SHOTS))), ORDERS)

    def shown(prompt: Prompt, order: tuple[int, ...]) -> str:
        return prompt.prefix([texts[i] for i in order], [labels[i] for i in order])

    started = time.perf_counter()
    first = _answers(WORDINGS[0], shown(WORDINGS[0], orders[0]))
    seconds = time.perf_counter() - started
    by_order = [first, *(_answers(WORDINGS[0], shown(WORDINGS[0], order)) for order in orders[1:])]
    by_wording = [first, *(_answers(prompt, shown(prompt, orders[0])) for prompt in WORDINGS[1:])]
    scores: Scores = {
        "accuracy": first,
        "seconds": seconds,
        "accuracy_without": _answers(WORDINGS[0], WORDINGS[0].prefix()),
        "accuracy_calibrated": _answers(
            WORDINGS[0], shown(WORDINGS[0], orders[0]), calibrated=True
        ),
        "trained": 0.0,
        "memory": 4 * tl.count_parameters(_decoder()[0]) / 1e6,
    }
    for name, these in (("order", by_order), ("wording", by_wording)):
        shares = [right.share for right in these]
        scores |= {f"accuracy_{name}_{number}": right for number, right in enumerate(these)}
        scores[f"{name}_spread"] = max(shares) - min(shares)
    return scores
