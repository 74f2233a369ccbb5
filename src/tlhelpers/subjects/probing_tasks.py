"""Questions to ask of single words in context, with the words they are asked of.

Each task of the probing chapter asks one thing of the vector of one word: where it stands, what
part of speech it is, what its article is about.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from datasets import DatasetDict
from numpy.typing import NDArray

from tlhelpers.corpora import silver_tags
from tlhelpers.corpora.splitting import sample
from tlhelpers.subjects import probing

SPLITS = ("train", "validation", "test")
SENTENCES = {"train": 600, "validation": 150, "test": 300}
WORDS_A_SENTENCE = 8
FEWEST = 20  # training words of a class; rarer classes are left out

Tags = Sequence[str | int | None]


@dataclass(frozen=True)
class WordsInContext:
    """Words drawn from sentences, with what is to be read off their vectors.

    Attributes
    ----------
    sentences : list of list of str
        The sentences in words.
    positions : list of list of int
        For each sentence, the words that were drawn.
    types : list of str, N long
        The drawn words in lower case: what a control task gives its random labels to.
    split : array of shape (N,)
        ``"train"``, ``"validation"`` or ``"test"``; words of one sentence are in one split.
    labels : dict of str to array of shape (N,)
        For each task the class number of each word; -1 where the word has none.
    label_names : dict of str to list of str
        For each task the names of its classes.
    """

    sentences: list[list[str]]
    positions: list[list[int]]
    types: list[str]
    split: NDArray[np.str_]
    labels: dict[str, NDArray[np.int64]]
    label_names: dict[str, list[str]]

    def rows(self, task: str, split: str) -> NDArray[np.int64]:
        """Return which words of a split have a label in this task."""
        return np.flatnonzero((self.labels[task] >= 0) & (self.split == split))


def draw_words(
    sentences: Mapping[str, Sequence[Sequence[str]]],
    tags: Mapping[str, Mapping[str, Sequence[Tags]]],
    *,
    seed: int = 0,
    words_a_sentence: int = WORDS_A_SENTENCE,
) -> WordsInContext:
    """Draw some words of each sentence at random and number the classes of each task.

    Parameters
    ----------
    sentences : dict of split to sentences
        ``train``, ``validation`` and ``test``; each sentence as its words.
    tags : dict of task to dict of split to tags
        For each word its class; None where it has none. Only words with letters or digits in
        them and a class in some task are drawn. A class that has fewer than 20 of the training
        words is left out.
    seed : int
        Seed of the draw.
    words_a_sentence : int
        At most so many of each sentence.

    Returns
    -------
    WordsInContext
        Words and labels, sentence after sentence.
    """
    generator = np.random.default_rng(seed)
    names = [name for name in SPLITS for _ in sentences[name]]
    flat = [list(words) for name in SPLITS for words in sentences[name]]
    by_task = {task: [row for name in SPLITS for row in of[name]] for task, of in tags.items()}
    positions = []
    for row, words in enumerate(flat):
        usable = [
            place
            for place, word in enumerate(words)
            if re.search(r"\w", word) and any(of[row][place] is not None for of in by_task.values())
        ]
        positions.append(sorted(generator.permutation(usable)[:words_a_sentence].tolist()))
    drawn = [(row, place) for row, places in enumerate(positions) for place in places]
    split = np.array([names[row] for row, _ in drawn])
    labels, label_names = {}, {}
    for task, of in by_task.items():
        found = [of[row][place] for row, place in drawn]
        training = zip(found, split.tolist(), strict=True)
        counts = Counter(t for t, name in training if t is not None and name == "train")
        kept = sorted(t for t, n in counts.items() if n >= min(FEWEST, max(counts.values())))
        numbers = {t: number for number, t in enumerate(kept)}
        labels[task] = np.array([numbers.get(t, -1) for t in found], dtype=np.int64)
        label_names[task] = [str(t) for t in kept]
    return WordsInContext(
        sentences=flat,
        positions=positions,
        types=[flat[row][place].lower() for row, place in drawn],
        split=split,
        labels=labels,
        label_names=label_names,
    )


def news_words(
    topics: DatasetDict, seed: int = 0, sizes: Mapping[str, int] = SENTENCES
) -> tuple[WordsInContext, list[silver_tags.TaggedSentence]]:
    """Draw words from the first sentences of news articles, with seven things to ask of each.

    ``position`` in the sentence, in steps of five words; ``length`` of the sentence, in quarters
    of the training sentences; ``part of speech``, ``arc`` to the head, ``depth`` below the
    root and ``entity`` type (silver);
    ``topic`` of the article.

    Parameters
    ----------
    topics : DatasetDict
        Splits with ``text`` and ``label``, as ``tl.data("topics")`` gives them.
    seed : int
        Draws the articles and the words.
    sizes : dict of split to int
        Articles of each split, at most.

    Returns
    -------
    WordsInContext, list of TaggedSentence
        The words, and the training sentences with their tags to look at.
    """
    chosen = {name: sample(topics[name], sizes[name], seed=seed) for name in SPLITS}
    tagged = {name: silver_tags.tag(rows["text"][:]) for name, rows in chosen.items()}
    quarters = np.quantile([len(sentence.words) for sentence in tagged["train"]], [0.25, 0.5, 0.75])

    def of_words(name: str) -> dict[str, list[Tags]]:
        rows = tagged[name]
        topic = chosen[name].features["label"].int2str(chosen[name]["label"][:])
        return {
            "position": [[min(w // 5, 5) for w in range(len(s.words))] for s in rows],
            "length": [[int((len(s.words) > quarters).sum())] * len(s.words) for s in rows],
            "part of speech": [s.part_of_speech for s in rows],
            "arc": [s.arc for s in rows],
            "depth": [[min(depth, 6) for depth in s.depth] for s in rows],
            "entity": [s.entity for s in rows],
            "topic": [[t] * len(s.words) for s, t in zip(rows, topic, strict=True)],
        }

    by_split = {name: of_words(name) for name in SPLITS}
    tags = {task: {name: by_split[name][task] for name in SPLITS} for task in by_split["train"]}
    sentences = {name: [s.words for s in tagged[name]] for name in SPLITS}
    return draw_words(sentences, tags, seed=seed), tagged["train"]


def review_words(
    reviews: DatasetDict, seed: int = 0, sizes: Mapping[str, int] = SENTENCES, longest: int = 40
) -> WordsInContext:
    """Draw words from reviews, and ask of each whether its review is positive: ``sentiment``.

    Parameters
    ----------
    reviews : DatasetDict
        Splits with ``text`` and ``label``, as ``tl.data("sentiment")`` gives them.
    seed : int
        Draws the reviews and the words.
    sizes : dict of split to int
        Reviews of each split, at most.
    longest : int
        Words of a review that are read.

    Returns
    -------
    WordsInContext
        The words.
    """
    chosen = {name: sample(reviews[name], sizes[name], seed=seed) for name in SPLITS}
    sentences = {
        name: [re.findall(r"\w+|[^\w\s]", text)[:longest] for text in rows["text"][:]]
        for name, rows in chosen.items()
    }
    sentiment = {
        name: [
            [label] * len(words)
            for words, label in zip(
                sentences[name], rows.features["label"].int2str(rows["label"][:]), strict=True
            )
        ]
        for name, rows in chosen.items()
    }
    return draw_words(sentences, {"sentiment": sentiment}, seed=seed)


def slot_words(
    tagged: DatasetDict, seed: int = 0, sizes: Mapping[str, int] = SENTENCES
) -> WordsInContext:
    """Draw words inside gold spans, and ask of each what the span is: ``slot``.

    Parameters
    ----------
    tagged : DatasetDict
        Splits with ``tokens`` and BIO ``tags``, as ``tl.data("ner")`` gives them.
    seed : int
        Draws the sentences and the words.
    sizes : dict of split to int
        Sentences of each split, at most.

    Returns
    -------
    WordsInContext
        The words.
    """
    chosen = {name: sample(tagged[name], sizes[name], seed=seed, by=None) for name in SPLITS}
    bio = tagged["train"].features["tags"].feature
    sentences = {name: rows["tokens"][:] for name, rows in chosen.items()}
    slots = {
        name: [[bio.int2str(t).partition("-")[2] or None for t in tags] for tags in rows["tags"]]
        for name, rows in chosen.items()
    }
    return draw_words(sentences, {"slot": slots}, seed=seed)


# --------------------------------------------------------------------------------------------
# Ask one question of every layer
# --------------------------------------------------------------------------------------------

EXAMPLES = {"train": 2_000, "validation": 500, "test": 1_500}


def examples(
    words: WordsInContext, task: str, seed: int = 0, sizes: Mapping[str, int] = EXAMPLES
) -> dict[str, NDArray[np.int64]]:
    """Draw the words of each split that a task's probes see, at most so many.

    Parameters
    ----------
    words : WordsInContext
        The words there are.
    task : str
        A key of ``words.labels``.
    seed : int
        Seed of the draw.
    sizes : dict of split to int
        How many words.

    Returns
    -------
    dict of split to array
        Row numbers.
    """
    generator = np.random.default_rng(seed)
    return {
        name: generator.permutation(words.rows(task, name))[: sizes[name]].astype(np.int64)
        for name in SPLITS
    }


def probe(
    hidden: probing.Floats,
    words: WordsInContext,
    task: str,
    *,
    seed: int = 0,
    sizes: Mapping[str, int] = EXAMPLES,
) -> pd.DataFrame:
    """Fit a probe of every layer to a task, and another to its control task.

    Parameters
    ----------
    hidden : array of shape (L, N, C)
        The words' vectors by layer.
    words : WordsInContext
        Their labels.
    task : str
        A key of ``words.labels``.
    seed : int
        Draws the words that are used and the labels of the control task.
    sizes : dict of split to int
        How many words.

    Returns
    -------
    DataFrame
        One row a layer: ``layer``, ``accuracy`` and ``control`` (shares of the test words that
        the two probes get right), ``selectivity`` (their difference); ``accuracy_seen``,
        ``control_seen``: the same on those test words that stand among the training words, where
        learning by heart can pay; ``best_so_far``: the accuracy of that one among layers 0 to l
        which did best on the validation words, and ``validation``, what it was chosen by.
    """
    rows = examples(words, task, seed, sizes)
    types, labels = np.array(words.types), words.labels[task]
    random = np.full_like(labels, -1)
    used = np.concatenate(list(rows.values()))
    random[used] = probing.control_labels(types[used].tolist(), labels[used], seed)
    seen = np.isin(types[rows["test"]], types[rows["train"]])
    columns: dict[str, NDArray[np.float64]] = {}
    for name, y in (("accuracy", labels), ("control", random)):
        probes = probing.fit_probes(
            hidden[:, rows["train"]],
            y[rows["train"]],
            hidden[:, rows["validation"]],
            y[rows["validation"]],
        )
        right = probes.predict(hidden[:, rows["test"]]) == y[rows["test"]]  # (L, n)
        columns |= {name: right.mean(1), f"{name}_seen": right[:, seen].mean(1)}
        if name == "accuracy":
            held_out = probes.validation_accuracy
            chosen = [int(held_out[: layer + 1].argmax()) for layer in range(len(held_out))]
            columns["validation"] = held_out
            columns["best_so_far"] = columns["accuracy"][chosen]
    table = pd.DataFrame({"layer": range(len(hidden)), **columns})
    return table.assign(selectivity=table["accuracy"] - table["control"])


def baselines(
    words: WordsInContext, task: str, *, seed: int = 0, sizes: Mapping[str, int] = EXAMPLES
) -> dict[str, float]:
    """Score two answers that need no model.

    Parameters
    ----------
    words : WordsInContext
        The words and their labels.
    task : str
        A key of ``words.labels``.
    seed : int
        As for :func:`probe`, to score the same words.
    sizes : dict of split to int
        How many words.

    Returns
    -------
    dict
        Shares of the test words that are right: ``majority``, if each gets the commonest training
        label; ``lookup``, if each gets the commonest label of the same word in training (and the
        commonest of all if it is new).
    """
    rows = examples(words, task, seed, sizes)
    types, labels = np.array(words.types), words.labels[task]
    common = np.bincount(labels[rows["train"]]).argmax()
    table: dict[str, Counter[int]] = {}
    for row in rows["train"]:
        table.setdefault(types[row], Counter())[int(labels[row])] += 1
    best = {word: counts.most_common(1)[0][0] for word, counts in table.items()}
    truth = labels[rows["test"]]
    guessed = np.array([best.get(types[row], common) for row in rows["test"]])
    return {
        "majority": float((truth == common).mean()),
        "lookup": float((truth == guessed).mean()),
    }


def neighbours(
    vectors: probing.Floats, words: WordsInContext, row: int, n: int = 5, margin: int = 3
) -> pd.DataFrame:
    """Find the words in context whose vectors are nearest to one of them.

    Parameters
    ----------
    vectors : array of shape (N, C)
        The words' vectors at one layer. They are standardised first: otherwise a few numbers that
        are large for every word decide.
    words : WordsInContext
        The words.
    row : int
        Whose neighbours.
    n : int
        How many; at most one of each sentence.
    margin : int
        Words of context shown on each side.

    Returns
    -------
    DataFrame
        ``word``, ``in context``, and ``cosine`` of the angle between the two vectors, from -1 to 1.
        The word itself comes first.
    """
    places = [(s, place) for s, chosen in enumerate(words.positions) for place in chosen]
    x = (vectors - vectors.mean(0)) / vectors.std(0).clip(min=1e-6)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    cosine = x @ x[row]
    used: set[int] = set()
    found = []
    for other in (row, *np.argsort(-cosine, kind="stable")):
        sentence, place = places[other]
        if sentence in used:
            continue
        used.add(sentence)
        found.append(
            {
                "word": words.sentences[sentence][place],
                "in context": in_context(words.sentences[sentence], place, margin),
                "cosine": float(cosine[other]),
            }
        )
        if len(found) == n + 1:
            break
    return pd.DataFrame(found)


def in_context(sentence: Sequence[str], place: int, margin: int = 3) -> str:
    """Cut a word out of its sentence, with a few words on each side."""
    first, last = max(place - margin, 0), min(place + margin + 1, len(sentence))
    before, after = "… " if first else "", " …" if last < len(sentence) else ""
    return before + " ".join(sentence[first:last]) + after
