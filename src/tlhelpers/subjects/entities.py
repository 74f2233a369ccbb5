"""Named entities: labels of words on sub-words, tag sequences, and what is counted as found.

Tags follow BIO, which the field also calls IOB2: ``B-PLACE`` begins a place, ``I-PLACE`` goes on
with it, ``O`` lies outside of all entities (Ramshaw and Marcus 1995,
https://aclanthology.org/W95-0107). Strict counts agree with seqeval's, as the tests show.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tlhelpers import metrics
from tlhelpers.corpora import silver_tags
from tlhelpers.corpora.by_role import data
from tlhelpers.corpora.by_role import label_names as names_of
from tlhelpers.corpora.splitting import sample
from tlhelpers.corpora.unseen_templates import split_by_template
from tlhelpers.metrics import IGNORED
from tlhelpers.profiles import current
from tlhelpers.roles import DATASETS, source
from tlhelpers.training.prediction import predict
from tlhelpers.visuals.html import PALETTE, Html

OUTSIDE = "O"
Pieces: TypeAlias = Literal["first", "all"]


class Span(NamedTuple):
    """An entity: its type, its first word, and one past its last."""

    type: str
    start: int
    end: int


# --------------------------------------------------------------------------------------------
# From words to pieces, and back
# --------------------------------------------------------------------------------------------


def align(
    tags: Sequence[int],
    word_ids: Sequence[int | None],
    label_names: Sequence[str],
    pieces: Pieces = "first",
) -> list[int]:
    """Give the tags of words to the pieces that a tokenizer made of them.

    Parameters
    ----------
    tags : sequence of int
        The number of each word's tag.
    word_ids : sequence of int or None, L long
        Of which word each piece is a part; None for special pieces.
    label_names : sequence of str
        The tag of each number.
    pieces : {"first", "all"}
        Which pieces of a word get a label. With ``"all"`` the others go on with the entity: behind
        a ``B-`` they get ``I-``, or one word would count as several entities.

    Returns
    -------
    list of L int
        A label a piece; -100, which losses and metrics leave out, where there is none.
    """
    if pieces not in ("first", "all"):
        raise ValueError(f"pieces={pieces!r} must be 'first' or 'all'")
    number = {name: i for i, name in enumerate(label_names)}
    aligned: list[int] = []
    for before, word in pairwise([None, *word_ids]):
        if word is None:
            aligned.append(IGNORED)
        elif word != before:
            aligned.append(tags[word])
        elif pieces == "first":
            aligned.append(IGNORED)
        else:
            name = label_names[tags[word]]
            aligned.append(number["I-" + name[2:] if name.startswith("B-") else name])
    return aligned


def encode(rows: Dataset, tokenizer: PreTrainedTokenizerBase, pieces: Pieces = "first") -> Dataset:
    """Tokenise sentences that come in words, and align their tags.

    Parameters
    ----------
    rows : Dataset
        Columns ``tokens`` (words) and ``tags``.
    tokenizer : PreTrainedTokenizerBase
        A fast one: only these know which piece belongs to which word.
    pieces : {"first", "all"}
        As for :func:`align`.

    Returns
    -------
    Dataset
        What the tokenizer gives, and ``labels``: ready for ``tl.fit``, without padding.
    """
    names = names_of(rows, "tags")
    encoded = tokenizer(rows["tokens"][:], is_split_into_words=True, truncation=True)
    labels = [align(t, encoded.word_ids(i), names, pieces) for i, t in enumerate(rows["tags"])]
    return Dataset.from_dict({**encoded, "labels": labels})


def word_log_probabilities(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sentences: Sequence[Sequence[str]],
) -> list[NDArray[np.float64]]:
    """Let a tagger read sentences, and take what it says at the first piece of each word.

    Parameters
    ----------
    model, tokenizer : PreTrainedModel, PreTrainedTokenizerBase
        A model with a head for tokens, and its tokenizer.
    sentences : sequence of N sequences of str
        Sentences in words.

    Returns
    -------
    list of N arrays of shape (words, C)
        Log-probabilities of the C tags.

    Raises
    ------
    ValueError
        If a word has no piece: it is empty, or behind what the model can read.
    """
    words = [list(sentence) for sentence in sentences]
    logits = predict(model, {"tokens": words}, tokenizer)  # (N, L, C)
    encoded = tokenizer(words, is_split_into_words=True)
    found = []
    for row, sentence in enumerate(words):
        first: dict[int, int] = {}
        for place, word in enumerate(encoded.word_ids(row)):
            if word is not None and place < logits.shape[1]:
                first.setdefault(word, place)
        for number, word_text in enumerate(sentence):
            if number not in first:
                raise ValueError(
                    f"word {number} of sentence {row}, {word_text!r}, has no piece that the model "
                    "reads: drop empty words, and cut long sentences before"
                )
        places = [first[number] for number in range(len(sentence))]
        found.append(log_softmax(logits[row, places].astype(np.float64), axis=-1))
    return found


# --------------------------------------------------------------------------------------------
# Which tag may follow which
# --------------------------------------------------------------------------------------------


def may_follow(tag: str, before: str = OUTSIDE) -> bool:
    """Tell whether BIO allows a tag behind another; a sentence begins as if behind ``O``."""
    prefix, kind = _parts(tag)
    return prefix != "I" or before in (f"B-{kind}", f"I-{kind}")


def illegal(tags: Iterable[str]) -> list[int]:
    """Return the places of tags that BIO does not allow there: an ``I-`` that goes on with nothing.

    Parameters
    ----------
    tags : iterable of str
        The tags of a sentence.

    Returns
    -------
    list of int
        Their positions, ascending.
    """
    steps = enumerate(pairwise([OUTSIDE, *tags]))
    return [place for place, (before, tag) in steps if not may_follow(tag, before)]


def likeliest(log_probabilities: ArrayLike, label_names: Sequence[str]) -> list[str]:
    """Take the likeliest tag of each word by itself, legal or not.

    Parameters
    ----------
    log_probabilities : array of shape (L, C)
        For each of L words one number a tag.
    label_names : sequence of C str
        The tags.

    Returns
    -------
    list of L str
        Tags.
    """
    return [label_names[i] for i in np.asarray(log_probabilities).argmax(axis=-1)]


def viterbi(log_probabilities: ArrayLike, label_names: Sequence[str]) -> list[str]:
    """Find the likeliest sequence of tags among those that BIO allows.

    Parameters
    ----------
    log_probabilities : array of shape (L, C)
        For each of L words one number a tag; a sequence's are added up.
    label_names : sequence of C str
        The tags; ``O`` is among them.

    Returns
    -------
    list of L str
        Tags, none of them illegal.

    Notes
    -----
    For each tag of the present word it keeps the best way that ends there, and from where it came
    (Viterbi 1967, https://doi.org/10.1109/TIT.1967.1054010). A conditional random field decodes in
    this way too, with a learned number for each step in place of 0 and minus infinity.
    """
    scores = np.asarray(log_probabilities, dtype=np.float64)
    if not len(scores):
        return []
    allowed = [[may_follow(tag, before) for tag in label_names] for before in label_names]
    step = np.where(allowed, 0.0, -np.inf)  # (C before, C after)
    best = scores[0] + step[list(label_names).index(OUTSIDE)]  # (C,)
    came_from = []
    for here in scores[1:]:
        ways = best[:, None] + step  # (C before, C after)
        came_from.append(ways.argmax(axis=0))
        best = ways.max(axis=0) + here
    path = [int(best.argmax())]
    for pointers in reversed(came_from):
        path.append(int(pointers[path[-1]]))
    return [label_names[i] for i in reversed(path)]


# --------------------------------------------------------------------------------------------
# What counts as found
# --------------------------------------------------------------------------------------------


def spans(tags: Iterable[str], *, strict: bool = True) -> list[Span]:
    """Read the entities off the tags of a sentence.

    Parameters
    ----------
    tags : iterable of str
        BIO tags.
    strict : bool
        Whether an illegal ``I-`` begins nothing. Else it begins an entity, as in the scorer of
        CoNLL and in seqeval's default mode.

    Returns
    -------
    list of Span
        In their order.
    """
    read: list[str] = []
    for tag in tags:
        legal = may_follow(tag, read[-1] if read else OUTSIDE)
        read.append(tag if legal or not strict else OUTSIDE)
    return [Span(*entity) for entity in metrics.entities(read)]


@dataclass(frozen=True)
class Score:
    """How many entities there are, were guessed, and are among both.

    Attributes
    ----------
    right, guessed, true : int
        Right ones have the type and both ends of a true one.
    """

    right: int
    guessed: int
    true: int

    @property
    def precision(self) -> float:
        """Share of the guessed entities that are right; 0 if there are none."""
        return self.right / self.guessed if self.guessed else 0.0

    @property
    def recall(self) -> float:
        """Share of the true entities that were found; 0 if there are none."""
        return self.right / self.true if self.true else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.guessed + self.true
        return 2 * self.right / both if both else 0.0


def score(
    truth: Sequence[Sequence[str]], guess: Sequence[Sequence[str]], *, strict: bool = True
) -> Score:
    """Count entities over all sentences, each as much as any other: the micro average.

    Parameters
    ----------
    truth, guess : sequence of sequences of str
        The tags of each sentence.
    strict : bool
        As for :func:`spans`.

    Returns
    -------
    Score
        Its ``f1`` is what ``seqeval.metrics.f1_score`` gives, with ``mode="strict",
        scheme=IOB2`` if strict.

    Raises
    ------
    ValueError
        If truth and guess do not have the same sentences.
    """
    return _score(*_both(truth, guess, strict))


def report(truth: Sequence[Sequence[str]], guess: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Score each type by itself, all entities together, and the plain mean of the types.

    Parameters
    ----------
    truth, guess : sequence of sequences of str
        The tags of each sentence, read strictly.

    Returns
    -------
    DataFrame
        A row a type, then ``all entities`` (micro) and ``mean of the types`` (macro), with
        ``entities`` (how many there truly are), ``precision``, ``recall`` and ``f1``.
    """
    true, found = _both(truth, guess, strict=True)

    def of_kind(which: list[list[Span]], kind: str) -> list[list[Span]]:
        return [[span for span in row if span.type == kind] for row in which]

    kinds = sorted({span.type for row in (*true, *found) for span in row})
    scores = {kind: _score(of_kind(true, kind), of_kind(found, kind)) for kind in kinds}
    scores["all entities"] = _score(true, found)
    columns = ("precision", "recall", "f1")
    table = pd.DataFrame(
        [[s.true, *(getattr(s, name) for name in columns)] for s in scores.values()],
        index=list(scores),
        columns=["entities", *columns],
    )
    mean = table.loc[kinds, list(columns)].mean()
    table.loc["mean of the types"] = [table.loc["all entities", "entities"], *mean]
    return table.astype({"entities": int})


# --------------------------------------------------------------------------------------------
# Nearly right
# --------------------------------------------------------------------------------------------

KINDS = ("right", "border", "type", "border and type", "missed", "invented")


class Match(NamedTuple):
    """A true entity and the guess that belongs to it; one of them is None where there is none."""

    kind: str
    truth: Span | None
    guess: Span | None


def matches(truth: Iterable[Span], guess: Iterable[Span]) -> list[Match]:
    """Pair the true entities of a sentence with guesses, and say what is wrong with each pair.

    Parameters
    ----------
    truth, guess : iterable of Span
        The entities of one sentence.

    Returns
    -------
    list of Match
        Each entity and each guess is in one of them, of a kind of `KINDS`: right; only a
        ``border`` wrong (they overlap); only the ``type``; both; ``missed``; ``invented``. The
        better pairs are made first, and of equal ones the one with the larger overlap.
    """
    true, found = list(truth), list(guess)
    pairs = [
        (_kind(one, other), -overlap, one, other)
        for one in true
        for other in found
        if (overlap := min(one.end, other.end) - max(one.start, other.start)) > 0
    ]
    result: list[Match] = []
    for kind, _, one, other in sorted(pairs):
        if one in true and other in found:
            true.remove(one)
            found.remove(other)
            result.append(Match(KINDS[kind], one, other))
    result += [Match("missed", one, None) for one in true]
    return result + [Match("invented", None, other) for other in found]


def count_kinds(truth: Sequence[Sequence[str]], guess: Sequence[Sequence[str]]) -> dict[str, int]:
    """Count over all sentences what is right, and of which kind each error is.

    Parameters
    ----------
    truth, guess : sequence of sequences of str
        The tags of each sentence, read strictly.

    Returns
    -------
    dict
        A count for each of `KINDS`.
    """
    pairs = zip(*_both(truth, guess, strict=True), strict=True)
    counts = Counter(match.kind for one, other in pairs for match in matches(one, other))
    return {kind: counts[kind] for kind in KINDS}


def scores_by_rule(counts: Mapping[str, int]) -> dict[str, float]:
    """Give the F1 under four rules of what is good enough.

    Parameters
    ----------
    counts : mapping
        As :func:`count_kinds` gives them.

    Returns
    -------
    dict
        ``strict``: type and both ends; ``borders``: both ends, whatever the type; ``type``: the
        type, with any overlap; ``partial``: both ends count 1, an overlap a half, whatever the
        type. The rules of SemEval 2013, task 9 (Segura-Bedmar et al.,
        https://aclanthology.org/S13-2056).
    """
    right, border, kind, both, missed, invented = (counts[name] for name in KINDS)
    paired = right + border + kind + both
    entities = 2 * paired + missed + invented  # the true ones and the guessed ones
    enough = {
        "strict": right,
        "borders": right + kind,
        "type": right + border,
        "partial": right + kind + (border + both) / 2,
    }
    return {name: 2 * value / entities if entities else 0.0 for name, value in enough.items()}


# --------------------------------------------------------------------------------------------
# What needs no network: a table, and a tagger's guesses as labels
# --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MostFrequentTag:
    """Each word's most frequent tag of the training sentences, and ``O`` for a new word.

    Attributes
    ----------
    label_names : list of str
        The tags.
    table : mapping of str to array of shape (C,)
        How often each word, in lower case, had each tag.
    """

    label_names: list[str]
    table: Mapping[str, NDArray[np.float64]]

    @classmethod
    def of(cls, rows: Dataset) -> MostFrequentTag:
        """Count the tags of each word of sentences with columns ``tokens`` and ``tags``."""
        names = names_of(rows, "tags")
        table: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(len(names)))
        for words, tags in zip(rows["tokens"], rows["tags"], strict=True):
            for word, tag in zip(words, tags, strict=True):
                table[word.lower()][tag] += 1
        return cls(names, dict(table))

    def log_probabilities(self, words: Sequence[str]) -> NDArray[np.float64]:
        """Give each word's shares of the tags as logarithms.

        Parameters
        ----------
        words : sequence of L str
            A sentence.

        Returns
        -------
        array of shape (L, C)
            Log-shares of the C tags. A thousandth of a word is added to each count: what was never
            seen is unlikely, not ruled out, so that :func:`viterbi` always finds a way.
        """
        new = np.array([float(name == OUTSIDE) for name in self.label_names])
        counts = np.array([self.table.get(word.lower(), new) for word in words]) + 1e-3
        return np.asarray(np.log(counts / counts.sum(axis=1, keepdims=True)))


# What the source promises to extract, by spaCy's types; its other types are left out.
SILVER_TYPES = {
    "PERSON": "PERSON",
    "ORG": "ORGANISATION",
    "GPE": "PLACE",
    "LOC": "PLACE",
    "FAC": "PLACE",
    "DATE": "DATE",
}
SENTENCES = {"train": 500, "validation": 150, "test": 300}


def silver_news(
    topics: DatasetDict, seed: int = 0, sizes: Mapping[str, int] = SENTENCES
) -> DatasetDict:
    """Tag the first sentences of news articles with persons, organisations, places and dates.

    The tags are silver: spaCy guessed them and nobody checked. A score against them says how well a
    model imitates spaCy. Two neighbours of one type count as one entity.

    Parameters
    ----------
    topics : DatasetDict
        Splits with ``text`` and ``label``, as ``tl.data("topics")`` gives them.
    seed : int
        Draws the articles.
    sizes : dict of split to int
        Articles of each split, at most.

    Returns
    -------
    DatasetDict
        Columns ``tokens`` and ``tags``.
    """
    types = dict.fromkeys(SILVER_TYPES.values())
    names = [OUTSIDE, *(f"{prefix}-{kind}" for kind in types for prefix in "BI")]
    features = Features(tokens=List(Value("string")), tags=List(ClassLabel(names=names)))
    splits = {}
    for name, size in sizes.items():
        rows = silver_tags.tag(sample(topics[name], size, seed=seed)["text"][:])
        columns = {
            "tokens": [row.words for row in rows],
            "tags": [[names.index(tag) for tag in _as_bio(row.entity)] for row in rows],
        }
        splits[name] = Dataset.from_dict(columns, features=features)
    return DatasetDict(splits)


HELD_OUT = {"validation": 100, "test": 300}


def unseen_templates(
    commands: DatasetDict, profile: str | None = None, sizes: Mapping[str, int] = HELD_OUT
) -> DatasetDict:
    """Keep those commands to choose and to test on whose templates served for nothing else.

    Parameters
    ----------
    commands : DatasetDict
        English commands and their slots, as ``tl.data("ner", "tiny")`` gives them.
    profile : str, optional
        Which profile; by default the one in use.
    sizes : dict of split to int
        How many rows of a split to draw, at most.

    Returns
    -------
    DatasetDict
        The same, with the splits of `sizes` smaller. In the full profile, which has no templates,
        what was given.
    """
    if source(DATASETS, "ner", current(profile)).asset is None:
        return commands
    intents = data("intents", profile, quiet=True)  # the same commands, in this order
    names = intents["train"].features["label"].str2int(split_by_template("en", profile))
    kept = DatasetDict(commands)
    for split, size in sizes.items():
        rows = np.flatnonzero(np.isin(intents[split]["label"], names))
        kept[split] = commands[split].select(np.random.default_rng(0).permutation(rows)[:size])
    return kept


# --------------------------------------------------------------------------------------------
# To look at
# --------------------------------------------------------------------------------------------


def draw(
    words: Sequence[str],
    tags: Sequence[str],
    guess: Sequence[str] | None = None,
    *,
    types: Sequence[str] = (),
    caption: str = "",
) -> Html:
    """Show the entities of a sentence, each with its type beside it.

    Parameters
    ----------
    words : sequence of L str
        The sentence.
    tags : sequence of L str
        BIO tags, read strictly: the true ones if there is a guess as well.
    guess : sequence of L str, optional
        A model's tags, for a second line; what is wrong stands beside each wrong entity.
    types : sequence of str
        All types there are, for the same colours in each sentence.
    caption : str
        One line above the sentence.

    Returns
    -------
    Html
        The sentence. Colour is never all that tells two types apart.

    Raises
    ------
    ValueError
        If there is not one tag a word.
    """
    read = [spans(tags)] if guess is None else [spans(tags), spans(guess)]
    for given in (tags, guess):
        if given is not None and len(given) != len(words):
            raise ValueError(f"there are {len(given)} tags for {len(words)} words: give each one")
    found = matches(read[0], read[-1])
    kinds = list(dict.fromkeys([*types, *sorted({s.type for line in read for s in line})]))
    hues = [name for name in PALETTE if name != "grey"]
    colours = {kind: hues[i % len(hues)] for i, kind in enumerate(kinds)}
    wrong_true = {m.truth: m.kind for m in found if m.kind == "missed"}
    wrong_guess = {m.guess: m.kind for m in found if m.kind != "right"}
    html, plain = [], []
    for number, line in enumerate(read):
        notes = [wrong_true, wrong_guess][number]
        title = "" if guess is None else ("true", "predicted")[number] + ": "
        body, text = _line(words, line, colours, notes)
        html.append(f'<div dir="auto"><strong>{title}</strong>{body}</div>')
        plain.append(title + text)
    top = f"<strong>{escape(caption)}</strong>" if caption else ""
    body = f'<div style="line-height:1.9">{top}{"".join(html)}</div>'
    return Html(body, "\n".join([caption] * bool(caption) + plain))


def _line(
    words: Sequence[str],
    line: Sequence[Span],
    colours: Mapping[str, str],
    notes: Mapping[Span | None, str],
) -> tuple[str, str]:
    html: list[str] = []
    plain: list[str] = []
    here = 0
    for span in line:
        html += map(escape, words[here : span.start])
        plain += words[here : span.start]
        inside = " ".join(words[span.start : span.end])
        label = span.type + (f", {notes[span]}" if span in notes else "")
        # 36 % of the hue: the ink on top of it keeps its contrast, as in tl.highlight.
        tint = f"color-mix(in srgb,var(--tl-{colours[span.type]}) 36%,transparent)"
        edge = ";border-bottom:2px dashed;padding-bottom:.35em" if span in notes else ""
        html.append(
            f'<mark style="background:{tint}{edge}">{escape(inside)} '
            f"<sub>{escape(label)}</sub></mark>"
        )
        plain.append(f"{inside}[{label}]")
        here = span.end
    return " ".join([*html, *map(escape, words[here:])]), " ".join([*plain, *words[here:]])


def _parts(tag: str) -> tuple[str, str]:
    prefix, _, kind = tag.partition("-")
    if not (tag == OUTSIDE or (prefix in ("B", "I") and kind)):
        raise ValueError(f"{tag!r} is no BIO tag: write 'O', 'B-TYPE' or 'I-TYPE'")
    return prefix, kind


def _both(
    truth: Sequence[Sequence[str]], guess: Sequence[Sequence[str]], strict: bool
) -> tuple[list[list[Span]], list[list[Span]]]:
    if [len(row) for row in truth] != [len(row) for row in guess]:
        raise ValueError(
            f"truth has {len(truth)} sentences and {sum(map(len, truth))} tags, guess "
            f"{len(guess)} and {sum(map(len, guess))}, or a sentence differs: give the same ones"
        )
    true, found = ([spans(row, strict=strict) for row in rows] for rows in (truth, guess))
    return true, found


def _score(truth: Sequence[Sequence[Span]], guess: Sequence[Sequence[Span]]) -> Score:
    pairs = zip(truth, guess, strict=True)
    right = sum(len(set(one) & set(other)) for one, other in pairs)
    return Score(right, sum(map(len, guess)), sum(map(len, truth)))


def _kind(one: Span, other: Span) -> int:
    """Say of which of `KINDS` a pair is that overlaps."""
    return (one[1:] != other[1:]) + 2 * (one.type != other.type)


def _as_bio(types: Sequence[str | None]) -> list[str]:
    kinds = [SILVER_TYPES.get(kind or "") for kind in types]
    return [
        OUTSIDE if kind is None else f"{'I' if kind == before else 'B'}-{kind}"
        for before, kind in pairwise([None, *kinds])
    ]
