"""Chapter 4: what each objective of pretraining teaches a small model, over five seeds.

A BERT on masked tokens, a GPT-2 on the next token and a T5 on hidden spans read the same blocks of
news once, in as many updates; so do a BERT of which more is masked, and a ModernBERT. Stages:
"pretrain" (the loss along the way, and the accuracy after fine-tuning on 500 movie sentences and
on 200 headlines of articles), "scratch" (the same fine-tuning from random weights), "words" (the
same labels, for a bag of words), "short" (the run of the page) and "sentence" (the ready-made
decoder, no training: there ``seed`` numbers what stands before the sentence).

A seed draws the weights, the order of the blocks and what is hidden; in fine-tuning also the
labelled sentences, the head and the order. Vocabulary, validation and test texts stay the same, and
so does the exam: whatever share was masked in training, it is 15 % there. Each model is fine-tuned
at each of RATES, pretrained or not, and takes the rate and the epoch that do best on the validation
texts: the same choice for all, made anew by each seed. Headlines to choose and to test on are of
articles that the pretraining text leaves out.

The rates of pretraining were chosen by the validation loss of one seed, among 0.0005, 0.001 and
0.003 (masked), 0.001 and 0.003 (causal), 0.0003, 0.001 and 0.003 (spans); the two further methods
take that of the BERT.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import torch
from datasets import DatasetDict, concatenate_datasets
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right
from tlhelpers.subjects import pretraining
from tlhelpers.subjects.pretraining import Objective
from tlhelpers.training.settings import Event


class Method(NamedTuple):
    """An objective, and how it is used here."""

    objective: Objective
    rate: float  # of learning, while pretraining
    chosen: float = 0.15
    rotary: bool = False


METHODS = {
    "masked": Method("masked", 1e-3),
    "causal": Method("causal", 1e-3),
    "span corruption": Method("span corruption", 1e-3),
    "masked, 40 %": Method("masked", 1e-3, chosen=0.4),  # Wettig et al. 2023
    "masked, ModernBERT": Method("masked", 1e-3, rotary=True),
}
SCRATCH = ("masked", "causal", "span corruption", "masked, ModernBERT")
SEEDS = range(5)
BLOCKS_AN_UPDATE = 4
UPDATES = 4_600  # with blocks of 64 tokens: the training text, once
SHORT_UPDATES = 1_000
PARTS = 20  # of the updates; after some of them the loss on every fourth validation block:
LOOKS = (0, 1, 2, 3, 4, 6, 8, 10, 13, 16, PARTS)
TASKS = {"movies": (500, 5), "headlines": (200, 10)}  # labels and epochs
RATES = (3e-4, 1e-3, 3e-3)  # of learning, while fine-tuning
MAX_LENGTH = 64
BATCH_SIZE = 32
SENTENCE, WORD = "The cat sat on the", " mat"
BEFORE_IT = ("", "\n", "Once upon a time there was a cat. ", "Example: ", "It was late. ")
NOT_COMPARED = ("pretraining_seconds",)


def points() -> list[dict[str, Any]]:
    """List the points."""
    return [
        *({"stage": "sentence", "seed": number} for number in range(len(BEFORE_IT))),
        *({"stage": "short", "method": "causal", "seed": seed} for seed in SEEDS),
        *({"stage": "words", "method": "bag of words", "seed": seed} for seed in SEEDS),
        *(
            {"stage": stage, "method": method, "seed": seed}
            for seed in SEEDS
            for stage, methods in (("scratch", SCRATCH), ("pretrain", METHODS))
            for method in methods
        ),
    ]


def run(point: dict[str, Any]) -> dict[str, float | Right]:
    """Measure one point."""
    stage, seed = point["stage"], point["seed"]
    if stage == "sentence":
        return _rank_of_the_word(BEFORE_IT[seed])
    if stage == "words":
        return _bag_of_words(seed)
    method, news = METHODS[point["method"]], _news()
    model = pretraining.fresh_model(method.objective, news.tokenizer, seed, rotary=method.rotary)
    if stage == "scratch":
        return _fine_tuned(model, seed)
    measured = _pretrain(model, method, seed, UPDATES if stage == "pretrain" else SHORT_UPDATES)
    return measured | (_fine_tuned(model, seed) if stage == "pretrain" else {})


class _News(NamedTuple):
    tokenizer: PreTrainedTokenizerBase
    train: Tensor  # (N, L) token ids
    validation: Tensor  # (M, L)


@lru_cache(maxsize=1)
def _news() -> _News:
    text = tl.data("running-text", profile="tiny", quiet=True)
    tokenizer = pretraining.train_tokenizer(text["train"]["text"][:])
    train, validation = (
        pretraining.blocks(text[split]["text"][:], tokenizer) for split in ("train", "validation")
    )
    return _News(tokenizer, train, validation)


def _rank_of_the_word(before: str) -> dict[str, float | Right]:
    """Rank the first piece of the word among all that may follow the sentence, the likeliest 1."""
    model, tokenizer = tl.load("decoder", task="causal", profile="tiny", quiet=True)
    word = tokenizer(WORD, add_special_tokens=False)["input_ids"][0]
    with torch.inference_mode():
        ids = tokenizer(before + SENTENCE, return_tensors="pt")
        logits = model(**ids).logits[0, -1]  # (V,)
    return {"rank": float((logits > logits[word]).sum() + 1)}


def _pretrain(
    model: PreTrainedModel, method: Method, seed: int, updates: int
) -> dict[str, float | Right]:
    """Train in place; the loss in nats a token along the way and at the end, and what it took."""
    news, objective = _news(), method.objective
    measure = partial(pretraining.text_loss, model, objective=objective, tokenizer=news.tokenizer)
    losses, predicted, parts = {0: measure(input_ids=news.validation[::4])}, 0, 0
    no_text = torch.tensor([pretraining.IGNORED, *news.tokenizer.all_special_ids])

    def batch(rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        nonlocal predicted
        ids = torch.tensor([row["input_ids"] for row in rows])
        made = pretraining.batch_of(objective, ids, news.tokenizer, chosen=method.chosen)
        asked = pretraining.next_tokens(ids)["labels"] if objective == "causal" else made["labels"]
        predicted += int(torch.isin(asked, no_text, invert=True).sum())
        return made

    def look(event: Event) -> None:
        nonlocal parts
        if event.kind == "evaluation":
            parts += 1
            if parts in LOOKS:
                losses[parts] = measure(input_ids=news.validation[::4])

    result = tl.fit(
        model,
        {"input_ids": news.train.tolist()},
        tokenizer=news.tokenizer,
        collator=batch,
        callbacks=[look],
        evaluate_every=updates // PARTS,
        learning_rate=method.rate,
        batch_size=BLOCKS_AN_UPDATE,
        max_steps=updates,
        seed=seed,
        progress=False,
    )
    loss = measure(input_ids=news.validation)
    unigram = pretraining.unigram_entropy(news.validation, news.tokenizer)
    bigram = pretraining.bigram_loss(news.train, news.validation, news.tokenizer)
    return {
        **{f"loss_{part}": value for part, value in losses.items()},
        "loss": loss,
        "loss_minus_unigram": loss - unigram,
        "loss_minus_bigram": loss - bigram,
        "unigram": unigram,
        "bigram": bigram,
        "tokens_read": float(updates * BLOCKS_AN_UPDATE * news.train.shape[1]),
        "tokens_predicted": float(predicted),
        "parameters": float(tl.count_parameters(model)),
        "pretraining_seconds": result.seconds,
    }


def _fine_tuned(start: PreTrainedModel, seed: int) -> dict[str, float | Right]:
    """Fine-tune on each task, at each rate; test what did best on the validation texts."""
    found: dict[str, float | Right] = {}
    with tempfile.TemporaryDirectory() as folder:
        start.save_pretrained(folder)
        _news().tokenizer.save_pretrained(folder)
        for task, (labels, epochs) in TASKS.items():
            drawn = _texts(task)
            train = drawn["train"].shuffle(seed=seed).select(range(labels))
            splits = DatasetDict({**drawn, "train": train}).map(_tokenized, batched=True)
            runs = [_fitted(folder, splits, rate, epochs, seed) for rate in RATES]
            best = max(
                runs, key=lambda scores: scores["validation_accuracy"]
            )  # the first of equals
            found |= {f"{name}_{task}": value for name, value in best.items()}
    return found


def _bag_of_words(seed: int) -> dict[str, float | Right]:
    found: dict[str, float | Right] = {}
    for task, (labels, _) in TASKS.items():
        texts = _texts(task)
        train = texts["train"].shuffle(seed=seed).select(range(labels))
        words, test = tl.fit_tfidf(train, texts["validation"]), texts["test"]["text"][:]
        predicted = words.predict_proba(test).argmax(axis=1)
        found[f"accuracy_{task}"] = Right.of(predicted == np.array(texts["test"]["label"]), test)
    return found


@lru_cache(maxsize=len(TASKS))
def _texts(task: str) -> DatasetDict:
    """Return the texts of a task; headlines in the split that pretraining has their article in."""
    if task == "movies":
        return tl.data("sentiment", profile="tiny", quiet=True)
    paragraphs = tl.data("running-text", profile="tiny", quiet=True)
    split_of = {text: name for name, split in paragraphs.items() for text in split["text"][:]}
    rows = concatenate_datasets(list(tl.data("topics", profile="tiny", quiet=True).values()))
    where = [
        Counter(split_of[line] for line in text.split("\n") if line in split_of).most_common(1)[0][
            0
        ]
        for text in rows["text"][:]
    ]
    headlines = rows.remove_columns("text").rename_column("headline", "text")
    return DatasetDict(
        {
            name: headlines.select([i for i, split in enumerate(where) if split == name])
            for name in paragraphs
        }
    )


def _tokenized(rows: dict[str, list[Any]]) -> dict[str, Any]:
    return dict(_news().tokenizer(rows["text"], truncation=True, max_length=MAX_LENGTH))


def _fitted(
    folder: str, splits: DatasetDict, rate: float, epochs: int, seed: int
) -> dict[str, Any]:
    model, tokenizer = tl.load(
        folder, task="classification", labels=splits["train"], seed=seed, quiet=True, profile="tiny"
    )
    result = tl.fit(
        model,
        splits["train"],
        splits["validation"],
        tokenizer=tokenizer,
        learning_rate=rate,
        epochs=epochs,
        batch_size=BATCH_SIZE,
        best_metric="accuracy",
        seed=seed,
        progress=False,
    )
    test = splits["test"]
    predicted = tl.predict(result.model, test, tokenizer).argmax(axis=1)
    return {
        "validation_accuracy": float(result.history["validation_accuracy"].max()),
        "accuracy": Right.of(predicted == np.array(test["label"]), test["text"][:]),
        "learning_rate": rate,
        "best_epoch": float(result.best_epoch or 0),
    }
