"""Chapter 14: what English labels teach about other languages, over five seeds.

Stages: "tune" (the learning rate of full fine-tuning, on English validation commands, seed 0),
"intents" (which of 22 things a voice command asks for), "slots" (which words name a room, a time,
...), "sentiment" (English film sentences, Chinese review clauses), "nouns" and "sentences" (is the
nearest neighbour the translation? at each layer), "animals" (animal or not, learnt from English
nouns), "pieces" (how the tokenizer cuts each language).

A seed draws the labelled examples; in "nouns", "sentences" and "animals" it draws which ones take
part. Validation and test texts stay the same. Nothing is chosen on another language than English:
linear classifiers take one of four penalties and full fine-tuning one of four rates by English
validation texts. Only "own", the classifier trained on a language's own labels, uses that
language's validation texts.

Tests hold the commands whose intent is among those that the English training commands have.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from datasets import Dataset
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

import tlhelpers as tl
from tlhelpers import multilingual
from tlhelpers.metrics import tokens as score_tokens
from tlhelpers.profiles import DATASETS

LANGUAGES = DATASETS["intents"]["tiny"].languages
ABROAD = [language for language in LANGUAGES if language != "en"]
FEW = ("en", "de", "hi", "ar", "zh-CN", "ko")  # where a point takes minutes
RATES = {"full": [1e-4, 2e-4, 4e-4, 8e-4]}
CHOSEN = {"full": 2e-4}
SEEDS = range(5)
FULL_SEEDS = range(5)
LABELS = 500
PENALTIES = (1.0, 10.0, 100.0, 1000.0)
PREFIX = "query: "
EPOCHS = {"intents": 4, "sentiment": 2}
MAX_LENGTH = 64
BATCH_SIZE = 16
FULL_TEST = 300  # commands a language that the fine-tuned model is tested on, the first ones
POOL = 15  # texts among which the translation has to be found


def points() -> list[dict]:
    """List the points, cheap and decisive ones first."""
    intents = [
        {"stage": "intents", "method": method, "labels": LABELS, "language": language, "seed": seed}
        for method in ("frozen", "centred", "characters", "own")
        for seed in SEEDS
        for language in (ABROAD if method == "centred" else LANGUAGES)
    ]
    pieces = [{"stage": "pieces", "language": language, "seed": 0} for language in LANGUAGES]
    nearest = [
        {"stage": stage, "layer": layer, "centred": centred, "seed": seed}
        for stage in ("nouns", "sentences")
        for centred in (False, True)
        for layer in range(13)
        for seed in SEEDS
    ]
    animals = [{"stage": "animals", "seed": seed} for seed in range(20)]
    tune = [
        {"stage": "tune", "method": "full", "labels": LABELS, "learning_rate": rate, "seed": 0}
        for rate in RATES["full"]
    ]
    full = [
        {"stage": "intents", "method": "full", "labels": LABELS, "learning_rate": CHOSEN["full"]}
        | {"language": language, "seed": seed}
        for seed in FULL_SEEDS
        for language in FEW
    ]
    sentiment = [
        {"stage": "sentiment", "method": method, "labels": LABELS, "language": language}
        | {"seed": seed}
        for method, language in (
            ("frozen", "en"),
            ("frozen", "zh"),
            ("centred", "zh"),
            ("own", "zh"),
        )
        for seed in SEEDS
    ]
    slots = [
        {"stage": "slots", "method": method, "labels": LABELS, "language": language, "seed": seed}
        for method in ("frozen", "own")
        for seed in SEEDS
        for language in FEW
    ]
    more_labels = [
        {"stage": "intents", "method": "frozen", "labels": labels, "language": language}
        | {"seed": seed}
        for labels in (50, 100, 200, 1_000)
        for seed in SEEDS
        for language in FEW
    ]
    return [*intents, *pieces, *nearest, *animals, *tune, *sentiment, *more_labels, *slots, *full]


def run(point: dict) -> dict[str, float]:
    """Measure one point; all scores are shares of right answers, slots' is F1."""
    stage, method = point["stage"], point.get("method")
    if stage in ("nouns", "sentences"):
        return _nearest(stage, point["layer"], point["centred"], point["seed"])
    if stage == "animals":
        return _animals(point["seed"])
    if stage == "pieces":
        return _pieces(point["language"])
    if stage == "slots":
        return _slots(method, point["language"], point["labels"], point["seed"])
    if stage == "sentiment":
        return _sentiment(method, point["language"], point["labels"], point["seed"])
    if method == "full":
        rate = point["learning_rate"]
        model, ids, validation_accuracy = _fine_tuned(point["labels"], rate, point["seed"])
        if stage == "tune":
            return {"validation_accuracy": validation_accuracy}
        test = ids(_first(_commands(point["language"])["test"], FULL_TEST))
        return {"accuracy": tl.evaluate(model, test, tokenizer=ids.tokenizer)["accuracy"]}
    return _intents(method, point["language"], point["labels"], point["seed"])


# ---- the frozen encoder: every text is embedded once


@cache
def _encoder() -> Any:  # noqa: ANN401
    return tl.load("multilingual", profile="tiny", quiet=True)


@cache
def _vectors(texts: tuple[str, ...]) -> np.ndarray:
    """Embed texts, each distinct list once; shape (N, C)."""
    texts = tuple(PREFIX + text for text in texts)
    return tl.embed(*_encoder(), texts, max_length=MAX_LENGTH, progress=False)


def _linear(
    features: np.ndarray, labels: np.ndarray, held_out: np.ndarray, truth: np.ndarray
) -> LogisticRegression:
    heads = [LogisticRegression(C=c, max_iter=2000).fit(features, labels) for c in PENALTIES]
    return max(heads, key=lambda head: head.score(held_out, truth))  # the first of equals


# ---- intents


@cache
def _commands(language: str) -> dict[str, Dataset]:
    """Commands of a language whose intent the English training commands teach."""
    splits = tl.data("intents", profile="tiny", language=language, quiet=True)
    english = (
        splits
        if language == "en"
        else tl.data("intents", profile="tiny", language="en", quiet=True)
    )
    taught = set(english["train"]["label"])
    return {
        name: split.select([i for i, label in enumerate(split["label"]) if label in taught])
        for name, split in splits.items()
    }


def _draw(language: str, labels: int, seed: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Draw training commands: texts, labels and vectors."""
    train = _commands(language)["train"]
    rows = np.random.default_rng(seed).permutation(len(train))[:labels]
    chosen = train.select(rows)
    return chosen["text"][:], np.array(chosen["label"]), _vectors(tuple(train["text"][:]))[rows]


def _held(language: str, name: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    split = _commands(language)[name]
    texts = split["text"][:]
    return texts, np.array(split["label"]), _vectors(tuple(texts))


@cache
def _classifier(method: str, language: str, labels: int, seed: int) -> Any:  # noqa: ANN401
    """Train on commands of a language; return the classifier and what it subtracts first."""
    texts, truth, vectors = _draw(language, labels, seed)
    held_texts, held_truth, held_vectors = _held(language, "validation")
    if method == "characters":
        counts = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
        features = counts.fit_transform(texts)
        head = _linear(features, truth, counts.transform(held_texts), held_truth)
        return head, counts
    mean = vectors.mean(axis=0)
    return _linear(vectors - mean, truth, held_vectors - mean, held_truth), mean


def _intents(method: str, language: str, labels: int, seed: int) -> dict[str, float]:
    texts, truth, vectors = _held(language, "test")
    trained_on = language if method == "own" else "en"
    kind = "characters" if method == "characters" else "frozen"
    head, rest = _classifier(kind, trained_on, labels, seed)
    if kind == "characters":
        right = head.predict(rest.transform(texts)) == truth
    elif method == "centred":  # the mean of as many unlabelled commands of the language itself
        right = head.predict(vectors - _draw(language, labels, seed)[2].mean(axis=0)) == truth
    else:
        right = head.predict(vectors - rest) == truth
    # Fewer intents in a language make its test easier; these are in the tests of all languages.
    common = set.intersection(*(set(_commands(other)["test"]["label"]) for other in LANGUAGES))
    in_common = np.isin(truth, list(common))
    # Some languages have no training commands of some intents: compare where both could learn.
    comparable = np.isin(truth, _draw(language, labels, seed)[1])
    return {
        "accuracy": float(right.mean()),
        "common_accuracy": float(right[in_common].mean()),
        "comparable_accuracy": float(right[comparable].mean()),
        "majority_share": float(np.bincount(truth).max() / len(truth)),
        "test_commands": float(len(truth)),
        "test_intents": float(len(set(truth))),
    }


# ---- full fine-tuning on English commands


class _Ids:
    """Tokenise a split with the pruned tokenizer."""

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401
        self.tokenizer = tokenizer

    def __call__(self, split: Dataset) -> Dataset:
        texts = [PREFIX + text for text in split["text"]]
        ids = self.tokenizer(texts, truncation=True, max_length=MAX_LENGTH)
        columns = {name: ids[name] for name in ("input_ids", "attention_mask")}
        return Dataset.from_dict({**columns, "labels": split["label"][:]})


@cache
def _fine_tuned(labels: int, learning_rate: float, seed: int) -> Any:  # noqa: ANN401
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
    ids = _Ids(tokenizer)
    rows = np.random.default_rng(seed).permutation(len(train))[:labels]
    result = tl.fit(
        model,
        ids(train.select(rows)),
        ids(_commands("en")["validation"]),
        tokenizer=tokenizer,
        learning_rate=learning_rate,
        epochs=EPOCHS["intents"],
        batch_size=BATCH_SIZE,
        best_metric="accuracy",
        seed=seed,
        progress=False,
    )
    return result.model, ids, float(result.history["validation_accuracy"].max())


def _first(split: Dataset, rows: int) -> Dataset:
    return split.select(range(min(rows, len(split))))


# ---- sentiment


@cache
def _reviews(language: str) -> Any:  # noqa: ANN401
    role = "sentiment" if language == "en" else "sentiment-chinese"
    return tl.data(role, profile="tiny", quiet=True)


@cache
def _critic(language: str, labels: int, seed: int) -> tuple[Any, np.ndarray]:
    splits = _reviews(language)
    train = splits["train"].shuffle(seed=seed).select(range(labels))
    vectors = _vectors(tuple(train["text"][:]))
    held = _vectors(tuple(splits["validation"]["text"][:]))
    mean = vectors.mean(axis=0)
    truth = np.array(splits["validation"]["label"])
    return _linear(vectors - mean, np.array(train["label"]), held - mean, truth), mean


def _sentiment(method: str, language: str, labels: int, seed: int) -> dict[str, float]:
    test = _reviews(language)["test"]
    truth = np.array(test["label"])
    vectors = _vectors(tuple(test["text"][:]))
    head, mean = _critic("zh" if method == "own" else "en", labels, seed)
    if method == "centred":
        unlabelled = _reviews(language)["validation"]["text"][:]
        mean = _vectors(tuple(unlabelled)).mean(axis=0)
    return {
        "accuracy": float(head.score(vectors - mean, truth)),
        "majority_share": float(np.bincount(truth).max() / len(truth)),
    }


# ---- slots


@cache
def _words(language: str, name: str) -> Any:  # noqa: ANN401
    """Words, tags and one vector a word (its first piece) of a split."""
    split = tl.data("ner-multilingual", profile="tiny", language=language, quiet=True)[name]
    split = _first(split, 200 if name == "test" else 800)
    vectors = multilingual.word_vectors(*_encoder(), split["tokens"][:], prefix=PREFIX)
    names = split.features["tags"].feature.names
    return vectors, [np.array(tags) for tags in split["tags"]], names


@cache
def _tagger(language: str, labels: int, seed: int) -> LogisticRegression:
    vectors, tags, _ = _words(language, "train")
    rows = np.random.default_rng(seed).permutation(len(tags))[:labels]
    features = np.concatenate([vectors[i] for i in rows])
    return LogisticRegression(C=10.0, max_iter=500).fit(
        features, np.concatenate([tags[i] for i in rows])
    )


def _slots(method: str, language: str, labels: int, seed: int) -> dict[str, float]:
    vectors, tags, names = _words(language, "test")
    tagger = _tagger(language if method == "own" else "en", labels, seed)
    longest = max(map(len, tags))
    truth = np.full((len(tags), longest), -100)
    predicted = np.zeros((len(tags), longest), dtype=int)
    for row, (words, of_words) in enumerate(zip(vectors, tags, strict=True)):
        truth[row, : len(of_words)] = of_words
        predicted[row, : len(of_words)] = tagger.predict(words)
    scores = score_tokens(predicted, truth, names)
    return {"f1": scores["f1"], "word_accuracy": scores["accuracy"]}


# ---- translations


@cache
def _layers(kind: str) -> dict[str, np.ndarray]:
    table = multilingual.translations()
    rows = table[
        table["kind"] == "sentence" if kind == "sentences" else table["kind"] != "sentence"
    ]
    return {
        language: multilingual.layer_vectors(
            *_encoder(), [PREFIX + text for text in rows[language]]
        )
        for language in rows.columns.drop("kind")
    }


def _nearest(kind: str, layer: int, centred: bool, seed: int) -> dict[str, float]:
    vectors = _layers(kind)
    n = vectors["en"].shape[1]
    drawn = np.random.default_rng(seed).permutation(n)[:POOL]
    found = {}
    for language in vectors:
        if language != "en":
            pair = (vectors["en"][layer][drawn], vectors[language][layer][drawn])
            found[language] = multilingual.translation_accuracy(*pair, centred=centred)
    scores = {f"accuracy_{language}": share for language, share in found.items()}
    return {"accuracy": float(np.mean(list(found.values()))), **scores}


def _animals(seed: int) -> dict[str, float]:
    table = multilingual.translations()
    kinds = (table["kind"][table["kind"] != "sentence"] == "animal").to_numpy()
    rng = np.random.default_rng(seed)
    taught = np.concatenate(
        [rng.permutation(np.flatnonzero(kinds == kind))[:15] for kind in (True, False)]
    )
    new = np.setdiff1d(np.arange(len(kinds)), taught)
    vectors = {language: layers[-1] for language, layers in _layers("nouns").items()}
    mean = vectors["en"][taught].mean(axis=0)
    head = LogisticRegression(C=10.0, max_iter=2000).fit(
        vectors["en"][taught] - mean, kinds[taught]
    )
    return {
        f"accuracy_{language}": float(head.score(of[new] - mean, kinds[new]))
        for language, of in vectors.items()
    }


# ---- how the tokenizer cuts each language


def _pieces(language: str) -> dict[str, float]:
    commands, english = _commands(language)["test"]["text"][:], _commands("en")["train"]["text"][:]
    pieces = multilingual.describe_pieces(_encoder()[1], commands, english)
    return {
        "pieces_per_command": pieces.per_text,
        "pieces_per_character": pieces.per_character,
        "unknown_share": pieces.unknown,
        "seen_share": pieces.seen,
    }
