"""Chapter 4: what each objective of pretraining teaches a small model, over five seeds.

A BERT on masked tokens, a GPT-2 on the next token and a T5 on hidden spans read the same blocks of
news in as many updates. Stages: "pretrain" (the loss along the way, and what counting costs on the
same validation text), "fine-tune" (500 movie sentences, after pretraining and without), "rate"
(masking more than 15 %) and "sentences" (the ready-made decoder, no training: ``seed`` numbers the
sentences, of which there is one).

A seed draws the weights, the order of the blocks and what is hidden; in fine-tuning also the
labelled sentences, the head and the order. Vocabulary, validation and test texts stay the same.
Each model is fine-tuned at each of RATES, pretrained or not, and takes the rate and the epoch that
do best on the validation sentences: the same choice for all, made anew by each seed.
"""

from __future__ import annotations

import tempfile
from functools import lru_cache, partial
from typing import Any, NamedTuple

import torch
from datasets import Dataset, DatasetDict
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right
from tlhelpers.subjects import pretraining
from tlhelpers.subjects.pretraining import Objective
from tlhelpers.training.settings import Event

OBJECTIVES: tuple[Objective, ...] = ("masked", "causal", "span corruption")
SEEDS = range(5)
UPDATES = 2_000  # with 16 blocks of 64 tokens each: the training text, 1.7 times
BLOCKS_AN_UPDATE = 16
LOOKS = 10  # at the loss on every fourth block of the validation text, along the way
PRETRAINING_RATE = 1e-3
MORE_MASKED = 0.4  # Wettig et al. 2023, https://arxiv.org/abs/2202.08005
LABELS = 500
RATES = (3e-4, 1e-3, 3e-3)
EPOCHS = 5
MAX_LENGTH = 64
BATCH_SIZE = 16
SENTENCE, WORD = "The cat sat on the", " mat"
NOT_COMPARED = ("seconds",)


def points() -> list[dict]:
    """List the points; those that share a pretrained model follow each other."""
    return [
        {"stage": "sentences", "seed": 0},
        *(
            point
            for seed in SEEDS
            for objective in OBJECTIVES
            for point in (
                {"stage": "pretrain", "objective": objective, "chosen": 0.15, "seed": seed},
                *(
                    {"stage": "fine-tune", "objective": objective}
                    | {"pretrained": pretrained, "seed": seed}
                    for pretrained in (True, False)
                ),
            )
        ),
        *(
            {"stage": "rate", "objective": "masked", "chosen": MORE_MASKED, "seed": seed}
            for seed in SEEDS
        ),
    ]


def run(point: dict) -> dict[str, float | Right]:
    """Measure one point."""
    if point["stage"] == "sentences":
        return _rank_of_the_word()
    if point["stage"] == "fine-tune":
        return _fine_tuned(point["objective"], point["pretrained"], point["seed"])
    trained = _pretrained(point["objective"], point["chosen"], point["seed"])
    news = _news()
    unigram = pretraining.unigram_entropy(news.validation, news.tokenizer)
    return {
        **{f"loss_{look}": loss for look, loss in enumerate(trained.losses)},
        "loss": trained.loss,
        "loss_minus_unigram": trained.loss - unigram,
        "unigram": unigram,
        "bigram": pretraining.bigram_loss(news.train, news.validation, news.tokenizer),
        "tokens_read": float(UPDATES * BLOCKS_AN_UPDATE * news.train.shape[1]),
        "tokens_predicted": float(UPDATES * trained.predicted_an_update),
        "parameters": float(tl.count_parameters(trained.model)),
        "seconds": trained.seconds,
    }


class _News(NamedTuple):
    tokenizer: PreTrainedTokenizerBase
    train: Tensor  # (N, L) token ids
    validation: Tensor  # (M, L)


class _Pretrained(NamedTuple):
    model: PreTrainedModel
    loss: float  # nats a token, on the whole validation text
    losses: list[float]  # before the first update and after each tenth of them
    predicted_an_update: float
    seconds: float


@lru_cache(maxsize=1)
def _news() -> _News:
    text = tl.data("running-text", profile="tiny", quiet=True)
    tokenizer = pretraining.train_tokenizer(text["train"]["text"][:])
    train, validation = (
        pretraining.blocks(text[split]["text"][:], tokenizer) for split in ("train", "validation")
    )
    return _News(tokenizer, train, validation)


@lru_cache(maxsize=1)
def _reviews() -> DatasetDict:
    return tl.data("sentiment", profile="tiny", quiet=True)


def _rank_of_the_word() -> dict[str, float | Right]:
    """Rank the first piece of the word among all that may follow the sentence, the likeliest 1."""
    model, tokenizer = tl.load("decoder", task="causal", profile="tiny", quiet=True)
    word = tokenizer(WORD, add_special_tokens=False)["input_ids"][0]
    with torch.inference_mode():
        logits = model(**tokenizer(SENTENCE, return_tensors="pt")).logits[0, -1]  # (V,)
    return {"rank": float((logits > logits[word]).sum() + 1)}


@lru_cache(maxsize=1)
def _pretrained(objective: Objective, chosen: float, seed: int) -> _Pretrained:
    news = _news()
    model = pretraining.fresh_model(objective, news.tokenizer, seed)
    measure = partial(pretraining.text_loss, model, objective=objective, tokenizer=news.tokenizer)
    losses, predicted = [measure(input_ids=news.validation[::4])], []

    def batch(rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        ids = torch.tensor([row["input_ids"] for row in rows])
        made = pretraining.batch_of(objective, ids, news.tokenizer, chosen=chosen)
        asked = pretraining.next_tokens(ids)["labels"] if objective == "causal" else made["labels"]
        predicted.append(int((asked != pretraining.IGNORED).sum()))
        return made

    def look(event: Event) -> None:
        if event.kind == "evaluation":
            losses.append(measure(input_ids=news.validation[::4]))

    result = tl.fit(
        model,
        {"input_ids": news.train.tolist()},
        tokenizer=news.tokenizer,
        collator=batch,
        callbacks=[look],
        evaluate_every=UPDATES // LOOKS,
        learning_rate=PRETRAINING_RATE,
        batch_size=BLOCKS_AN_UPDATE,
        max_steps=UPDATES,
        seed=seed,
        progress=False,
    )
    loss = measure(input_ids=news.validation)
    return _Pretrained(model, loss, losses, sum(predicted) / len(predicted), result.seconds)


def _fine_tuned(objective: Objective, pretrained: bool, seed: int) -> dict[str, float | Right]:
    """Fine-tune at each rate; test the model that did best on the validation sentences."""
    reviews = _reviews()
    train = reviews["train"].shuffle(seed=seed).select(range(LABELS))
    if pretrained:
        start = _pretrained(objective, 0.15, seed).model
    else:
        start = pretraining.fresh_model(objective, _news().tokenizer, seed)
    best: dict[str, float | Right] = {"validation_accuracy": -1.0}
    with tempfile.TemporaryDirectory() as folder:
        start.save_pretrained(folder)
        _news().tokenizer.save_pretrained(folder)
        for rate in RATES:
            scores = _fitted(folder, train, reviews, rate, seed)
            if scores["validation_accuracy"] > best["validation_accuracy"]:
                best = scores
    return best


def _fitted(
    folder: str, train: Dataset, reviews: DatasetDict, rate: float, seed: int
) -> dict[str, Any]:
    model, tokenizer = tl.load(
        folder, task="classification", labels=train, seed=seed, quiet=True, profile="tiny"
    )
    tokenized = {
        name: split.map(
            lambda batch: tokenizer(batch["text"], truncation=True, max_length=MAX_LENGTH),
            batched=True,
        )
        for name, split in {**reviews, "train": train}.items()
    }
    result = tl.fit(
        model,
        tokenized["train"],
        tokenized["validation"],
        tokenizer=tokenizer,
        learning_rate=rate,
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        best_metric="accuracy",
        seed=seed,
        progress=False,
    )
    test = tokenized["test"]
    predicted = tl.predict(result.model, test, tokenizer).argmax(axis=1)
    return {
        "validation_accuracy": float(result.history["validation_accuracy"].max()),
        "accuracy": Right.of(predicted == test["label"], test["text"][:]),
        "learning_rate": rate,
        "best_epoch": float(result.best_epoch or 0),
        "seconds": result.seconds,
    }
