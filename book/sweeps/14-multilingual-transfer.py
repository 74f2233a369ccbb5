"""Chapter 14: what English labels teach about other languages, over five seeds.

Stages: "intents" (which of 22 things a voice command asks for), "slots" (which words name a room,
a time, ...), "sentiment" (English film sentences, Chinese review clauses), "nouns" and "sentences"
(is the nearest neighbour the translation? at each layer), "animals" (animal or not, learnt from
English nouns), "pieces" (how the tokenizer cuts each language).

A seed draws the labelled examples; in "nouns", "sentences" and "animals" it draws which ones take
part. Validation and test texts stay the same. Nothing is chosen on another language than English:
classifiers take one of four penalties by English validation texts. Only "own", the classifier
trained on a language's own labels, uses that language's validation texts.

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
from tlhelpers.metrics import tokens as score_tokens
from tlhelpers.roles import DATASETS
from tlhelpers.subjects import multilingual

LANGUAGES = DATASETS["intents"]["tiny"].languages
ABROAD = [language for language in LANGUAGES if language != "en"]
FEW = ("en", "de", "hi", "ar", "zh-CN", "ko")  # for slots, and for fewer or more labels
SEEDS = range(5)
LABELS = 500
PENALTIES = (1.0, 10.0, 100.0, 1000.0)
PREFIX = "query: "
MAX_LENGTH = 64
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
    return [*intents, *pieces, *nearest, *animals, *sentiment, *more_labels, *slots]


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
    split = split.take(min(200 if name == "test" else 800, len(split)))
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
