"""Scores of predictions, and how sure we can be of them."""

import math
import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score

IGNORED = -100  # the label that the losses of PyTorch and transformers leave out


class Interval(NamedTuple):
    """A mean or share with the ends of its confidence interval."""

    mean: float
    low: float
    high: float
    n: int
    confidence: float = 0.95

    def __str__(self) -> str:
        """Show the mean with its interval in brackets."""
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def classification(predictions: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Score predicted classes.

    Parameters
    ----------
    predictions : array of shape (N,) or (N, C)
        Class numbers, or one logit for each of the C classes.
    labels : array of shape (N,)
        The true class numbers.

    Returns
    -------
    dict
        ``accuracy``, and ``macro_f1``: the plain mean of the F1 of each class, which counts a
        rare class as much as a frequent one.

    Raises
    ------
    ValueError
        If the shapes differ or there is nothing to score.
    """
    predicted, true = _same_length(predictions, labels)
    return {
        "accuracy": float(accuracy_score(true, predicted)),
        "macro_f1": float(f1_score(true, predicted, average="macro", zero_division=0.0)),
    }


def tokens(
    predictions: ArrayLike, labels: ArrayLike, label_names: Sequence[str] | None = None
) -> dict[str, float]:
    """Score token labels, and whole entities if the labels have BIO names.

    Parameters
    ----------
    predictions : array of shape (N, L) or (N, L, C)
        Class numbers or logits for each token.
    labels : array of shape (N, L)
        The true class numbers; -100 where a token has no label.
    label_names : sequence of str, optional
        ``"O"``, ``"B-place"``, ``"I-place"``, ...: adds precision, recall and F1 of entities.

    Returns
    -------
    dict
        ``accuracy`` over labelled tokens; with names also ``precision``, ``recall``, ``f1``, where
        an entity counts only if its type and both its ends are right (the CoNLL convention:
        Tjong Kim Sang and De Meulder 2003, https://aclanthology.org/W03-0419).

    Raises
    ------
    ValueError
        If the shapes differ or no token has a label.
    """
    predicted, true = _same_length(predictions, labels)
    labelled = true != IGNORED
    if not labelled.any():
        raise ValueError("labels hold nothing but -100: there is no token to score")
    scores = {"accuracy": float((predicted == true)[labelled].mean())}
    if label_names is None:
        return scores
    found: set[tuple[int, str, int, int]] = set()
    wanted: set[tuple[int, str, int, int]] = set()
    for row, (guess, truth, keep) in enumerate(zip(predicted, true, labelled, strict=True)):
        found |= {(row, *span) for span in entities([label_names[i] for i in guess[keep]])}
        wanted |= {(row, *span) for span in entities([label_names[i] for i in truth[keep]])}
    right = len(found & wanted)
    scores["precision"] = right / len(found) if found else 0.0
    scores["recall"] = right / len(wanted) if wanted else 0.0
    scores["f1"] = 2 * right / (len(found) + len(wanted)) if found or wanted else 0.0
    return scores


def entities(tags: Iterable[str]) -> list[tuple[str, int, int]]:
    """Read the entities off a sequence of BIO tags.

    Parameters
    ----------
    tags : iterable of str
        ``"O"``, ``"B-place"``, ``"I-place"``, ... one a token.

    Returns
    -------
    list of (type, start, end)
        ``end`` is one past the last token. An ``I-`` that follows no entity of its type starts a
        new one, as the CoNLL scorer has it.
    """
    spans: list[tuple[str, int, int]] = []
    kind, start, end = "", 0, 0
    for position, tag in enumerate(tags):
        prefix, _, name = tag.partition("-")
        if prefix == "I" and name == kind:
            end = position + 1
            continue
        if kind:
            spans.append((kind, start, end))
        kind = "" if prefix == "O" else name
        start, end = position, position + 1
    if kind:
        spans.append((kind, start, end))
    return spans


def answers(
    predictions: Sequence[str] | NDArray[np.str_], gold: Sequence[Sequence[str]]
) -> dict[str, float]:
    """Score short answers as the evaluation script of SQuAD does.

    Parameters
    ----------
    predictions : sequence of str
        N answers; an empty text says that there is none.
    gold : sequence of sequences of str
        The right answers to each of N questions; none if there is no answer.

    Returns
    -------
    dict
        ``exact_match``, the share of answers that equal a right one, and ``f1``, the mean overlap
        in words with the right answer that is nearest. Both from 0 to 1; papers give percent.
        Case, punctuation, articles and white space do not count (Rajpurkar et al. 2016 and 2018,
        https://aclanthology.org/D16-1264 and https://aclanthology.org/P18-2124).

    Raises
    ------
    ValueError
        If there is not one prediction a question, or nothing to score.
    """
    if len(predictions) != len(gold) or not len(gold):
        raise ValueError(
            f"{len(predictions)} predictions for {len(gold)} questions: give one a question, and "
            "at least one"
        )
    exact, overlap = [], []
    for prediction, texts in zip(predictions, gold, strict=True):
        said = _answer_words(prediction)
        right = [words for words in map(_answer_words, texts) if words] or [[]]
        exact.append(max(said == words for words in right))
        overlap.append(max(_word_f1(said, words) for words in right))
    return {"exact_match": float(np.mean(exact)), "f1": float(np.mean(overlap))}


def _answer_words(text: str) -> list[str]:
    text = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def _word_f1(one: list[str], other: list[str]) -> float:
    if not one or not other:
        return float(one == other)
    return 2 * (Counter(one) & Counter(other)).total() / (len(one) + len(other))


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Give the mean over seeds and its confidence interval.

    Parameters
    ----------
    values : array of shape (N,)
        One score a seed, N >= 2.
    confidence : float
        The share of such intervals that would hold the true mean.

    Returns
    -------
    Interval
        Mean plus or minus Student's t quantile (N - 1 degrees of freedom) times the standard
        error (Student 1908, https://doi.org/10.1093/biomet/6.1.1).

    Raises
    ------
    ValueError
        With fewer than two values, or one that is not finite.
    """
    scores = np.asarray(values, dtype=np.float64)
    _check_confidence(confidence)
    if scores.ndim != 1 or len(scores) < 2:
        raise ValueError(
            f"an interval over seeds needs a list of at least 2 values, got shape {scores.shape}: "
            "run more seeds"
        )
    if not np.isfinite(scores).all():
        raise ValueError(f"values must be finite, got {scores.tolist()}: look for the failed run")
    mean = float(scores.mean())
    quantile = float(stats.t.ppf((1 + confidence) / 2, df=len(scores) - 1))
    half = quantile * float(scores.std(ddof=1)) / len(scores) ** 0.5
    return Interval(mean, mean - half, mean + half, len(scores), confidence)


def paired_interval(differences: ArrayLike, confidence: float = 0.95) -> Interval:
    """Give the mean difference of two methods and an interval that covers seeds and test texts.

    Parameters
    ----------
    differences : array of shape (S, T)
        For each of S seeds and each of T test texts what one method scored there less what the
        other did: 1, 0 or -1 where a text is right or wrong.
    confidence : float
        The share of such intervals that would hold the difference over all seeds and all texts.

    Returns
    -------
    Interval
        ``n`` is the number of seeds. With one seed the interval is unbounded.

    Raises
    ------
    ValueError
        If the array has not two dimensions, or fewer than two texts.

    Notes
    -----
    Seeds and texts are crossed random effects. The variance of the mean is that between the means
    of the seeds over S, plus that between the means of the texts over T, less what both count: the
    rest's over S T (Searle, Casella and McCulloch 1992, Variance Components, chapter 4). The
    degrees of freedom are Satterthwaite's (1946, https://doi.org/10.2307/3002019).
    """
    table = np.asarray(differences, dtype=np.float64)
    _check_confidence(confidence)
    if table.ndim != 2 or table.shape[1] < 2:
        raise ValueError(
            f"differences must have the shape (seeds, texts) with two texts or more, "
            f"got {table.shape}"
        )
    seeds, texts = table.shape
    mean = float(table.mean())
    if seeds == 1:
        return Interval(mean, -math.inf, math.inf, 1, confidence)
    by_seed, by_text = table.mean(axis=1), table.mean(axis=0)
    rest = table - by_seed[:, None] - by_text + mean
    of_seeds, of_texts = by_seed.var(ddof=1) / seeds, by_text.var(ddof=1) / texts
    of_rest = (rest**2).sum() / ((seeds - 1) * (texts - 1)) / (seeds * texts)
    variance = max(of_seeds + of_texts - of_rest, of_seeds, of_texts)
    if variance == 0:
        return Interval(mean, mean, mean, seeds, confidence)
    freedom = (of_seeds + of_texts) ** 2 / (of_seeds**2 / (seeds - 1) + of_texts**2 / (texts - 1))
    half = float(stats.t.ppf((1 + confidence) / 2, df=freedom)) * variance**0.5
    return Interval(mean, mean - half, mean + half, seeds, confidence)


def prediction_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Say where one more run is expected, from the runs there are.

    Wider than :func:`mean_interval`, which says where the mean lies.

    Parameters
    ----------
    values : array of shape (N,)
        One value a run, at least two, taken as drawn from one normal distribution.
    confidence : float
        Share of further runs that fall inside, 0 to 1.

    Returns
    -------
    Interval
        Mean, low, high and N.

    Raises
    ------
    ValueError
        If there are fewer than two values, or the confidence is not between 0 and 1.

    Notes
    -----
    One more run differs from the mean of N by a standard deviation of ``s * sqrt(1 + 1 / N)``; the
    mean itself has ``s / sqrt(N)``. So the half-width is that of the mean times ``sqrt(N + 1)``.
    """
    mean, low, high, n, _ = mean_interval(values, confidence)
    half = (high - low) / 2 * math.sqrt(n + 1)
    return Interval(mean, mean - half, mean + half, n, confidence)


def wilson(k: int, n: int, confidence: float = 0.95) -> Interval:
    """Give the share of ``k`` right answers in ``n`` and its confidence interval.

    Parameters
    ----------
    k, n : int
        Right answers and questions.
    confidence : float
        The share of such intervals that would hold the true share.

    Returns
    -------
    Interval
        The score interval, which stays inside 0 and 1 and is honest for small n (Wilson 1927,
        https://doi.org/10.1080/01621459.1927.10502953).

    Raises
    ------
    ValueError
        Unless 0 <= k <= n and n >= 1.
    """
    _check_confidence(confidence)
    if n < 1 or not 0 <= k <= n:
        raise ValueError(f"need 0 <= k <= n and n >= 1, got k={k}, n={n}")
    share = stats.binomtest(k, n).proportion_ci(confidence_level=confidence, method="wilson")
    return Interval(k / n, float(share.low), float(share.high), n, confidence)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence} must lie between 0 and 1, for example 0.95")


def _same_length(
    predictions: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    predicted, true = np.asarray(predictions), np.asarray(labels)
    if predicted.ndim == true.ndim + 1:  # logits
        predicted = predicted.argmax(-1)
    if predicted.shape != true.shape:
        raise ValueError(
            f"predictions have shape {predicted.shape}, labels {true.shape}: they must belong to "
            "the same examples"
        )
    if true.size == 0:
        raise ValueError("there is nothing to score: predictions and labels are empty")
    return predicted.astype(np.int64), true.astype(np.int64)
