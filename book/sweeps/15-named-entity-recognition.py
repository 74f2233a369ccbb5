"""Chapter 15: entities from few sentences, by four methods on two kinds of text, over five seeds.

"commands": the slots of English voice commands; validation and test hold only those intents whose
templates there served for nothing else. "news": persons, organisations, places and dates in the
first sentences of articles, silver, as spaCy tagged them; a score there says how well spaCy is
imitated.

"full" and "all" fine-tune the encoder, on labels of the first piece of a word or of all its pieces;
"random" is the same network with random weights; "frequent" gives a word its most frequent tag. All
are read at first pieces. A seed draws the training sentences (fewer are the first of more), their
order, the fresh head and dropout; validation and test sentences stay the same. Each trained method
chooses among four learning rates by the mean F1 on the validation sentences of both texts, with
seed 0 (stage "tune"). What they chose is in CHOSEN, and a test compares it with the recorded
points. Pretrained weights get a fixed number of epochs; random weights train until PATIENCE epochs
in a row do not improve. The best epoch is that of the best F1 on validation sentences, counted as
the CoNLL scorer counts.

"f1" is strict and takes each word's likeliest tag; "f1_viterbi" is that of the same model where
illegal sequences are forbidden.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from datasets import Dataset, DatasetDict
from numpy.typing import NDArray

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right
from tlhelpers.subjects import entities

RATES = {
    "full": [2e-4, 4e-4, 8e-4, 1.6e-3],
    "all": [2e-4, 4e-4, 8e-4, 1.6e-3],
    "random": [1e-4, 2e-4, 4e-4, 8e-4],
}
CHOSEN = {"full": 8e-4, "all": 8e-4, "random": 4e-4}
CHOSEN_BY = "validation_f1"
TUNED_WITH = {"commands": 100, "news": 100}  # sentences
COMPARED = [
    ("commands", 100, ("frequent", "full", "random")),
    ("commands", 500, ("frequent", "full", "all", "random")),
    ("news", 400, ("frequent", "full", "all", "random")),
    ("commands", 25, ("frequent", "full")),
    ("commands", 50, ("frequent", "full")),
    ("commands", 200, ("frequent", "full")),
    ("news", 100, ("frequent", "full")),
]
EPOCHS = {25: 30, 50: 20, 100: 15, 200: 10, 400: 6, 500: 6}  # of the pretrained weights
MOST_EPOCHS, PATIENCE = 20, 3  # of the random weights
SEEDS = range(5)
HELD_OUT = {"validation": 100, "test": 300}  # sentences
BATCH_SIZE = 16
NOT_COMPARED = ("seconds",)


def points() -> list[dict]:
    """List the points: first those that choose a learning rate."""
    tune = [
        {"stage": "tune", "corpus": corpus, "method": method}
        | {"sentences": sentences, "learning_rate": rate, "seed": 0}
        for corpus, sentences in TUNED_WITH.items()
        for method, rates in RATES.items()
        for rate in rates
    ]
    test = [
        {"stage": "test", "corpus": corpus, "method": method, "sentences": sentences}
        | ({"learning_rate": CHOSEN[method]} if method in CHOSEN else {})
        | {"seed": seed}
        for corpus, sentences, methods in COMPARED
        for method in methods
        for seed in SEEDS
    ]
    return tune + test


def run(point: dict) -> dict[str, float | Right]:
    """Train one method on one draw of sentences; its scores on the test sentences."""
    splits, seed, method = _splits(point["corpus"]), point["seed"], point["method"]
    train = splits["train"].shuffle(seed=seed).select(range(point["sentences"]))
    words, names = splits["test"]["tokens"][:], tl.label_names(train, "tags")
    if method == "frequent":
        table = entities.MostFrequentTag.of(train)
        return _scores([table.log_probabilities(sentence) for sentence in words], splits["test"])
    model, tokenizer = tl.load(
        "encoder",
        task="tokens",
        labels=names,
        profile="tiny",
        pretrained=method != "random",
        seed=seed,
        quiet=True,
    )
    result = tl.fit(
        model,
        entities.encode(train, tokenizer, "all" if method == "all" else "first"),
        entities.encode(splits["validation"], tokenizer),
        tokenizer=tokenizer,
        learning_rate=point["learning_rate"],
        epochs=MOST_EPOCHS if method == "random" else EPOCHS[point["sentences"]],
        schedule="constant" if method == "random" else "linear",
        patience=PATIENCE if method == "random" else None,
        batch_size=BATCH_SIZE,
        best_metric="f1",
        seed=seed,
        progress=False,
    )
    scores: dict[str, float | Right] = {
        "validation_f1": float(result.history["validation_f1"].max()),
        "best_epoch": float(result.best_epoch or 0),
        "epochs": float(result.history["epoch"].max()),
        "seconds": result.seconds,
    }
    if point["stage"] == "test":
        said = entities.word_log_probabilities(result.model, tokenizer, words)
        scores |= _scores(said, splits["test"])
    return scores


@lru_cache(maxsize=2)
def _splits(corpus: str) -> DatasetDict:
    if corpus == "news":
        topics = tl.data("topics", profile="tiny", quiet=True)
        return entities.silver_news(topics, sizes={"train": 400} | HELD_OUT)
    return entities.unseen_templates(tl.data("ner", profile="tiny", quiet=True), "tiny", HELD_OUT)


def _scores(said: list[NDArray[np.float64]], test: Dataset) -> dict[str, float | Right]:
    """Score the likeliest tags, and the likeliest legal ones."""
    names, words = tl.label_names(test, "tags"), test["tokens"][:]
    truth = [[names[number] for number in tags] for tags in test["tags"]]
    guess = [entities.likeliest(sentence, names) for sentence in said]
    legal = [entities.viterbi(sentence, names) for sentence in said]
    strict, kinds = entities.score(truth, guess), entities.count_kinds(truth, guess)
    found = [
        span in entities.spans(other)
        for one, other in zip(truth, guess, strict=True)
        for span in entities.spans(one)
    ]
    asked = [[w, *s] for w, one in zip(words, truth, strict=True) for s in entities.spans(one)]
    whole = [one == other for one, other in zip(truth, guess, strict=True)]
    rules = entities.scores_by_rule(kinds)
    return {
        "f1": strict.f1,
        "precision": strict.precision,
        "recall": Right.of(found, asked),
        "f1_viterbi": entities.score(truth, legal).f1,
        "f1_lenient": entities.score(truth, guess, strict=False).f1,
        "illegal": float(sum(len(entities.illegal(tags)) for tags in guess)),
        "accuracy": float(np.mean(np.concatenate(truth) == np.concatenate(guess))),
        "sentences_right": Right.of(whole, words),
        **{f"f1_{rule}": value for rule, value in rules.items() if rule != "strict"},
        **{f"kind_{kind.replace(' ', '_')}": float(number) for kind, number in kinds.items()},
    }
