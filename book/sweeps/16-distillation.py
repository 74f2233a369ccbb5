"""Chapter 16: a student of two layers, with and without a teacher, over five seeds.

The teacher is the encoder, six layers, fine-tuned on 1,000 labelled film reviews as in chapter 18.
The student has two of its layers as they were before that, with a fresh head; it never met the
teacher's weights. It learns in as many updates by each method:

"labels": from the 1,000 labels. "soft": from the labels and from what the teacher says of the same
texts, half and half, softened by a temperature of 2. "classes, more texts": from 1,000 labels and
from the class that the teacher finds likeliest for 1,000 other texts, whose labels nobody reads.
"soft, more texts": from what the teacher says of all 2,000, and on no label. "teacher" is the
teacher itself.

A seed draws the texts, their order, the fresh heads and dropout; validation and test texts stay the
same. Each method chooses among four learning rates on the validation texts, with seed 0 (stage
"tune"): the three that were registered, of which the best lay at an end for every method, and one
beyond that end. A test compares CHOSEN with the recorded points.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from datasets import Dataset, DatasetDict
from numpy.typing import NDArray
from transformers import BertForSequenceClassification, PreTrainedTokenizerBase

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right
from tlhelpers.subjects import distillation

LOW = [5e-5, 1e-4, 2e-4, 4e-4]
HIGH = [1e-4, 2e-4, 4e-4, 8e-4]
RATES = {"labels": LOW, "soft": LOW, "classes, more texts": HIGH, "soft, more texts": HIGH}
CHOSEN: dict[str, float] = {}  # none before there are points of the stage "tune"
CHOSEN = {"labels": 1e-4, "soft": 1e-4, "classes, more texts": 4e-4, "soft, more texts": 4e-4}
LABELS, MORE = 1_000, 1_000
LAYERS = [0, 3]  # of six: every third, as DistilBERT takes every second of twelve
EPOCHS = {"labels": 4, "soft": 4, "classes, more texts": 2, "soft, more texts": 2}
TEACHER = {"learning_rate": 1e-4, "epochs": 2}
TEMPERATURE, SOFT = 2.0, 0.5
COMMON = {"batch_size": 32, "best_metric": "accuracy", "progress": False}
MAX_LENGTH = 64
SEEDS = range(5)
NOT_COMPARED = ("seconds",)


def points() -> list[dict]:
    """List the points: first those that choose a learning rate, then those of a seed together."""
    tune = [
        {"stage": "tune", "method": method, "learning_rate": rate, "seed": 0}
        for method, rates in RATES.items()
        for rate in rates
    ]
    test = [
        {"stage": "test", "method": method, "learning_rate": rate, "seed": seed}
        for seed in SEEDS
        for method, rate in {"teacher": TEACHER["learning_rate"], **CHOSEN}.items()
        if CHOSEN
    ]
    return tune + test


class Teacher(NamedTuple):
    """A teacher of one seed, what it was taught on, and what it says of its own and other texts."""

    model: BertForSequenceClassification
    tokenizer: PreTrainedTokenizerBase
    texts: Dataset
    logits: NDArray[np.float32]
    validation_accuracy: float


def run(point: dict) -> dict[str, float | Right]:
    """Train a student by one method; its accuracy, and its share of the teacher's."""
    method, seed = point["method"], point["seed"]
    teacher, test = _teacher(seed), _tokens(seed)["test"]
    of_teacher = _right(teacher.model, teacher.tokenizer, test)
    if method == "teacher":
        return {"accuracy": of_teacher, "validation_accuracy": teacher.validation_accuracy}
    encoder, _ = tl.load(
        "encoder", task="classification", labels=test, profile="tiny", seed=seed, quiet=True
    )
    student = distillation.StudentForSequenceClassification(
        distillation.student_of(encoder, LAYERS),
        temperature=TEMPERATURE,
        soft=1.0 if method == "soft, more texts" else SOFT,
    )
    result = tl.fit(
        student,
        _lesson(method, teacher),
        _tokens(seed)["validation"],
        tokenizer=teacher.tokenizer,
        learning_rate=point["learning_rate"],
        epochs=EPOCHS[method],
        seed=seed,
        **COMMON,
    )
    scores: dict[str, float | Right] = {
        "validation_accuracy": float(result.history["validation_accuracy"].max()),
        "best_epoch": float(result.best_epoch or 0),
        "seconds": result.seconds,
    }
    if point["stage"] == "test":
        found = _right(student.model, teacher.tokenizer, test)
        scores |= {"accuracy": found, "share_of_teacher": found.share / of_teacher.share}
    return scores


def _lesson(method: str, teacher: Teacher) -> dict[str, list]:
    """Give a student its texts, with labels, the teacher's logits, or the classes that it says."""
    texts = teacher.texts if "more texts" in method else teacher.texts.select(range(LABELS))
    count = len(texts)
    lesson = {name: texts[name][:] for name in ("input_ids", "attention_mask")}
    own, said = texts["label"][:LABELS], teacher.logits[LABELS:count].argmax(axis=1).tolist()
    lesson["labels"] = own + said  # the labels of the other texts are not read
    if method.startswith("soft"):
        lesson["teacher"] = teacher.logits[:count].tolist()
    return lesson


@lru_cache(maxsize=1)
def _teacher(seed: int) -> Teacher:
    splits = _tokens(seed)
    texts = splits["train"].select(range(LABELS + MORE))
    model, tokenizer = tl.load(
        "encoder", task="classification", labels=texts, profile="tiny", seed=seed, quiet=True
    )
    result = tl.fit(
        model,
        texts.select(range(LABELS)),
        splits["validation"],
        tokenizer=tokenizer,
        seed=seed,
        **TEACHER,
        **COMMON,
    )
    logits = tl.predict(model, texts, tokenizer).astype(np.float32)
    best = float(result.history["validation_accuracy"].max())
    return Teacher(model, tokenizer, texts, logits, best)


@lru_cache(maxsize=1)
def _tokens(seed: int) -> DatasetDict:
    _, tokenizer = tl.load("encoder", profile="tiny", quiet=True)
    splits = tl.data("sentiment", profile="tiny", quiet=True)
    splits["train"] = splits["train"].shuffle(seed=seed).select(range(LABELS + MORE))
    return splits.map(
        lambda batch: tokenizer(batch["text"], truncation=True, max_length=MAX_LENGTH),
        batched=True,
    )


def _right(
    model: BertForSequenceClassification, tokenizer: PreTrainedTokenizerBase, test: Dataset
) -> Right:
    predicted = tl.predict(model, test, tokenizer).argmax(axis=1)
    return Right.of(predicted == test["label"], test["text"][:])
