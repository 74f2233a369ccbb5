"""Chapter 14: every weight trained on English commands, tested in six languages.

Stages: "tune" (the learning rate, on English validation commands) and "intents". A seed draws the
500 English commands, sets the weights of the head and the order of the batches. The vocabulary is
pruned to the pieces of all commands.

Rate and epoch are chosen on validation commands of those English intents that were split by
template; tests hold the same commands as those of the frozen encoder in 14-multilingual-transfer,
which chose one of four settings as well.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right
from tlhelpers.roles import DATASETS
from tlhelpers.subjects import multilingual

LANGUAGES = DATASETS["intents"]["tiny"].languages
FEW = ("en", "de", "hi", "ar", "zh-CN", "ko")
SEEDS = range(5)
TUNE_SEEDS = range(2)  # the highest rate succeeds or fails by luck
RATES = {"full": [5e-5, 1e-4, 2e-4, 4e-4]}
CHOSEN = {"full": 2e-4}
LABELS = 500
EPOCHS = 4
BATCH_SIZE = 16
MAX_LENGTH = 64
PREFIX = "query: "


def points() -> list[dict]:
    """List the points; those of a seed follow each other, so that it is trained once."""
    fixed = {"method": "full", "labels": LABELS}
    tune = [
        {"stage": "tune", **fixed, "learning_rate": rate, "language": "en", "seed": seed}
        for seed in TUNE_SEEDS
        for rate in RATES["full"]
    ]
    test = [
        {"stage": "intents", **fixed, "learning_rate": CHOSEN["full"]}
        | {"language": language, "seed": seed}
        for seed in SEEDS
        for language in FEW
    ]
    return [*tune, *test]


def run(point: dict) -> dict[str, float | Right]:
    """Train on English commands; note which test commands were right."""
    tuned = _fine_tuned(point["labels"], point["learning_rate"], point["seed"])
    if point["stage"] == "tune":
        return {"validation_accuracy": tuned.validation_accuracy}
    language = point["language"]
    test = _commands(language)["test"]
    logits = tl.predict(tuned.model, _encoded(test, tuned.tokenizer), tuned.tokenizer)
    right = logits.argmax(axis=1) == np.array(test["label"])
    unseen = [i for i, label in enumerate(test["label"]) if label in _unseen("en", language)]
    return {
        "accuracy": Right.of(right, test["text"][:]),
        "unseen_accuracy": Right.of(right[unseen], test.select(unseen)["text"][:]),
    }


class _Tuned(NamedTuple):
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    validation_accuracy: float


@cache
def _unseen(*languages: str) -> frozenset[int]:
    """Numbers of the intents that were split by template in each of some languages."""
    names = tl.label_names(_commands("en")["train"])
    split = [set(multilingual.split_by_template(language, "tiny")) for language in languages]
    return frozenset(names.index(name) for name in set.intersection(*split))


@cache
def _fine_tuned(labels: int, learning_rate: float, seed: int) -> _Tuned:
    train = _commands("en")["train"]
    model, tokenizer = tl.load(
        "multilingual", task="classification", labels=train, profile="tiny", seed=seed, quiet=True
    )
    texts = [
        PREFIX + text
        for language in LANGUAGES
        for split in _commands(language).values()
        for text in split["text"]
    ]
    model, tokenizer = multilingual.prune_vocabulary(model, tokenizer, texts)
    rows = np.random.default_rng(seed).permutation(len(train))[:labels]
    held = _commands("en")["validation"]
    held = held.select([i for i, label in enumerate(held["label"]) if label in _unseen("en")])
    result = tl.fit(
        model,
        _encoded(train.select(rows), tokenizer),
        _encoded(held, tokenizer),
        tokenizer=tokenizer,
        learning_rate=learning_rate,
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        best_metric="accuracy",
        seed=seed,
        progress=False,
    )
    return _Tuned(result.model, tokenizer, float(result.history["validation_accuracy"].max()))


def _encoded(split: Dataset, tokenizer: PreTrainedTokenizerBase) -> Dataset:
    texts = [PREFIX + text for text in split["text"]]
    ids = tokenizer(texts, truncation=True, max_length=MAX_LENGTH)
    columns = {name: ids[name] for name in ("input_ids", "attention_mask")}
    return Dataset.from_dict({**columns, "labels": split["label"][:]})


@cache
def _commands(language: str) -> dict[str, Dataset]:
    """Commands of a language whose intent the English training commands teach."""
    english = tl.data("intents", profile="tiny", language="en", quiet=True)
    taught = set(english["train"]["label"])
    splits = tl.data("intents", profile="tiny", language=language, quiet=True)
    return {
        name: split.select([i for i, label in enumerate(split["label"]) if label in taught])
        for name, split in splits.items()
    }
