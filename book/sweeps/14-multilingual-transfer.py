"""Chapter 14: what English labels teach about other languages, over five seeds.

Stages: "intents" (which of 22 things a voice command asks for), "together" (the same for all
languages in one number), "slots" (which words name a room, a time, ...), "sentiment" (English film
sentences, Chinese review clauses), "nouns" and "sentences" (is the nearest neighbour the
translation? at each second layer), "fifteen" (the same among fifteen), "animals" (animal or not,
learnt from English nouns).

A seed draws the labelled examples; in "fifteen" and "animals" it draws which ones take part. In
"nouns" and "sentences" all take part, and each language has a seed's number: the interval is over
languages and meanings. Validation and test texts stay the same. Nothing is chosen on another
language than English: classifiers take one of four penalties by English validation texts. Only
"own", the classifier trained on a language's own labels, uses that language's validation texts.

Tests hold the commands whose intent is among those that the English training commands have.
`unseen_accuracy` counts those of intents that were split by template, in the language and in
English: nothing that a classifier learnt from has their templates.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from datasets import Dataset
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right
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
POOL = 15  # in "fifteen": texts among which the translation has to be found
LAYERS = range(0, 13, 2)
TOPICS = {"turn on": "switch", "turn off": "switch"}  # of other intents it is the last word


def points() -> list[dict]:
    """List the points; those of a language follow each other, so that it is embedded once."""
    intents = [
        {"stage": "intents", "method": method, "labels": labels, "language": language, "seed": seed}
        for language in LANGUAGES
        for method, labels in (
            *((method, LABELS) for method in ("frozen", "characters", "centred", "own")),
            *(("frozen", labels) for labels in (50, 200, 1_000) if language in FEW),
        )
        if not (language == "en" and method in ("centred", "own"))
        for seed in SEEDS
    ]
    abroad = multilingual.translations().columns.drop(["kind", "en"])
    nearest = [
        {"stage": stage, "layer": layer, "centred": centred, "language": language, "seed": number}
        for stage in ("nouns", "sentences")
        for centred in (False, True)
        for layer in LAYERS
        for number, language in enumerate(abroad)
    ]
    fifteen = [
        {"stage": "fifteen", "kind": kind, "layer": layer, "centred": centred, "seed": seed}
        for kind, layer, centred in (
            ("nouns", 12, False),
            ("sentences", 12, False),
            ("sentences", 0, True),
        )
        for seed in SEEDS
    ]
    animals = [{"stage": "animals", "seed": seed} for seed in range(20)]
    slots = [
        {"stage": "slots", "method": method, "labels": LABELS, "language": language, "seed": seed}
        for language in FEW
        for method in ("frozen", "own")
        if not (language == "en" and method == "own")
        for seed in SEEDS
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
    together = [{"stage": "together", "seed": seed} for seed in SEEDS]
    return [*together, *intents, *slots, *sentiment, *nearest, *fifteen, *animals]


def run(point: dict) -> dict[str, float | Right]:
    """Measure one point; all scores are shares of right answers, slots' is F1."""
    stage, method = point["stage"], point.get("method")
    if stage in ("nouns", "sentences"):
        return _nearest(stage, point["layer"], point["centred"], point["language"])
    if stage == "fifteen":
        return _fifteen(point["kind"], point["layer"], point["centred"], point["seed"])
    if stage == "animals":
        return _animals(point["seed"])
    if stage == "slots":
        return _slots(method, point["language"], point["labels"], point["seed"])
    if stage == "sentiment":
        return _sentiment(method, point["language"], point["labels"], point["seed"])
    if stage == "together":
        return _together(point["seed"])
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
def _all_commands(language: str) -> dict[str, Dataset]:
    return tl.data("intents", profile="tiny", language=language, quiet=True)


@cache
def _commands(language: str) -> dict[str, Dataset]:
    """Commands of a language whose intent the English training commands teach."""
    taught = set(_all_commands("en")["train"]["label"])
    return {
        name: split.select([i for i, label in enumerate(split["label"]) if label in taught])
        for name, split in _all_commands(language).items()
    }


@cache
def _unseen(*languages: str) -> np.ndarray:
    """Numbers of the intents that were split by template in each of some languages."""
    names = tl.label_names(_all_commands("en")["test"])
    split = [set(multilingual.split_by_template(language, "tiny")) for language in languages]
    return np.array([names.index(name) for name in names if name in set.intersection(*split)])


def _draw(language: str, labels: int, seed: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Draw training commands: texts, labels and vectors."""
    train = _commands(language)["train"]
    rows = np.random.default_rng(seed).permutation(len(train))[:labels]
    chosen = train.select(rows)
    return chosen["text"][:], np.array(chosen["label"]), _vectors(tuple(train["text"][:]))[rows]


@cache
def _held(language: str, name: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    split = _commands(language)[name]
    texts = split["text"][:]
    return texts, np.array(split["label"]), _vectors(tuple(texts))


@cache
def _classifier(method: str, language: str, labels: int, seed: int) -> Any:  # noqa: ANN401
    """Train on commands of a language; return the classifier and what it subtracts first."""
    texts, truth, vectors = _draw(language, labels, seed)
    held_texts, held_truth, held_vectors = _held(language, "validation")
    unseen = np.isin(held_truth, _unseen(language))
    if method == "characters":
        counts = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
        features, held = counts.fit_transform(texts), counts.transform(held_texts)
        return _linear(features, truth, held[unseen], held_truth[unseen]), counts
    mean = vectors.mean(axis=0)
    held = held_vectors[unseen] - mean
    return _linear(vectors - mean, truth, held, held_truth[unseen]), mean


def _guesses(method: str, language: str, labels: int, seed: int) -> np.ndarray:
    texts, _, vectors = _held(language, "test")
    kind = "characters" if method == "characters" else "frozen"
    head, rest = _classifier(kind, language if method == "own" else "en", labels, seed)
    if kind == "characters":
        return head.predict(rest.transform(texts))
    if method == "centred":  # the mean of as many unlabelled commands of the language itself
        rest = _draw(language, labels, seed)[2].mean(axis=0)
    return head.predict(vectors - rest)


def _intents(method: str, language: str, labels: int, seed: int) -> dict[str, float | Right]:
    texts, truth, _ = _held(language, "test")
    right = _guesses(method, language, labels, seed) == truth
    unseen = np.isin(truth, _unseen("en", language))
    scores: dict[str, float | Right] = {
        "unseen_accuracy": Right.of(right[unseen], [texts[i] for i in np.flatnonzero(unseen)])
    }
    if method == "own":  # other test commands have templates that it was trained on
        return scores
    return scores | {"accuracy": Right.of(right, texts)}


def _together(seed: int) -> dict[str, float]:
    """Say how far above guessing the worst language is, and which mistakes keep the topic."""
    untaught_too = {language: _all_commands(language)["test"] for language in ABROAD}
    over_twice_chance = []
    for language, test in untaught_too.items():
        intents = len(set(test["label"]))
        if intents >= 24:  # an intent that no English command teaches counts as wrong
            right = _guesses("frozen", language, LABELS, seed) == _held(language, "test")[1]
            over_twice_chance.append(right.sum() / len(test) * intents / 2)
    excess = [_topic_excess(language, LABELS, seed) for language in ABROAD]
    return {
        "lowest_over_twice_chance": float(min(over_twice_chance)),
        "topic_abroad": float(np.mean([kept for kept, _ in excess])),
        "topic_abroad_excess": float(np.mean([more for _, more in excess])),
        "topic_home": _topic_excess("en", LABELS, seed)[0],
        "topic_home_excess": _topic_excess("en", LABELS, seed)[1],
        "topic_home_50": _topic_excess("en", 50, seed)[0],
        "topic_home_50_excess": _topic_excess("en", 50, seed)[1],
    }


def _topic_excess(language: str, labels: int, seed: int) -> tuple[float, float]:
    """Share of mistakes that keep the topic, and how much more that is than by chance.

    By chance: for each command that was taken for another intent, a wrong guess drawn from all
    guesses on that test.
    """
    names = tl.label_names(_all_commands("en")["test"])
    topics = np.array([TOPICS.get(name, name.split()[-1]) for name in names])
    truth = _held(language, "test")[1]
    guess = _guesses("frozen", language, labels, seed)
    unseen = np.isin(truth, _unseen("en"))  # the same intents at home and abroad
    truth, guess = truth[unseen], guess[unseen]
    wrong = truth != guess
    other = guess[None, :] != truth[wrong][:, None]  # (mistakes, commands)
    kept = other & (topics[guess][None, :] == topics[truth[wrong]][:, None])
    by_chance = float(np.mean(kept.sum(axis=1) / other.sum(axis=1)))
    share = float(np.mean(topics[guess[wrong]] == topics[truth[wrong]]))
    return share, share - by_chance


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


def _sentiment(method: str, language: str, labels: int, seed: int) -> dict[str, float | Right]:
    test = _reviews(language)["test"]
    truth, texts = np.array(test["label"]), test["text"][:]
    vectors = _vectors(tuple(texts))
    head, mean = _critic("zh" if method == "own" else "en", labels, seed)
    if method == "centred":
        unlabelled = _reviews(language)["validation"]["text"][:]
        mean = _vectors(tuple(unlabelled)).mean(axis=0)
    return {
        "accuracy": Right.of(head.predict(vectors - mean) == truth, texts),
        "majority_share": float(np.bincount(truth).max() / len(truth)),
    }


# ---- slots


@cache
def _words(language: str, name: str) -> Any:  # noqa: ANN401
    """Words, tags and one vector a word (its first piece) of a split.

    The test is made of commands of intents that were split by template.
    """
    split = tl.data("ner-multilingual", profile="tiny", language=language, quiet=True)[name]
    if name == "test":  # the same commands in the same order, here with their intent
        intents = np.array(_all_commands(language)[name]["label"])
        split = split.select(np.flatnonzero(np.isin(intents, _unseen("en", language))))
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


def _nearest(kind: str, layer: int, centred: bool, language: str) -> dict[str, Right]:
    english, other = (_layers(kind)[code][layer] for code in ("en", language))
    near = multilingual.cosine_similarity(english, other, centred=centred).argmax(axis=1)
    meanings = [f"{kind} {row}" for row in range(len(english))]
    return {"accuracy": Right.of(near == np.arange(len(english)), meanings)}


def _fifteen(kind: str, layer: int, centred: bool, seed: int) -> dict[str, float]:
    vectors = _layers(kind)
    n = vectors["en"].shape[1]
    drawn = np.random.default_rng(seed).permutation(n)[:POOL]
    found = [
        multilingual.translation_accuracy(
            vectors["en"][layer][drawn], of[layer][drawn], centred=centred
        )
        for language, of in vectors.items()
        if language != "en"
    ]
    return {"accuracy": float(np.mean(found))}


def _animals(seed: int) -> dict[str, Right]:
    """Learn from half of the English nouns, sort the other half; then the other way round."""
    table = multilingual.translations()
    nouns = table[table["kind"] != "sentence"]
    kinds = (nouns["kind"] == "animal").to_numpy()
    rng = np.random.default_rng(seed)
    half = np.concatenate(
        [rng.permutation(np.flatnonzero(kinds == kind))[:15] for kind in (True, False)]
    )
    vectors = {language: layers[-1] for language, layers in _layers("nouns").items()}
    right = {language: np.zeros(len(kinds), dtype=bool) for language in vectors}
    for taught in (half, np.setdiff1d(np.arange(len(kinds)), half)):
        new = np.setdiff1d(np.arange(len(kinds)), taught)
        mean = vectors["en"][taught].mean(axis=0)
        head = LogisticRegression(C=10.0, max_iter=2000).fit(
            vectors["en"][taught] - mean, kinds[taught]
        )
        for language, of in vectors.items():
            right[language][new] = head.predict(of[new] - mean) == kinds[new]
    return {
        f"accuracy_{language}": Right.of(hits, nouns["en"].tolist())
        for language, hits in right.items()
    }
