"""Draw samples and splits: each class in its share, nothing twice, the same on every machine."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from datasets import Dataset, DatasetDict

SPLIT_SEED = 20_140_601  # fixed for ever: results recorded in the book rest on these splits


def sample(split: Dataset, n: int, seed: int = 0, by: str | None = "label") -> Dataset:
    """Draw `n` rows at random, each class in its share; all rows if there are fewer.

    The first `n` rows are no sample: many data sets are sorted by class (the first 12,500 rows
    of IMDB are all negative).

    Parameters
    ----------
    split : Dataset
        One split of a data set.
    n : int
        How many rows.
    seed : int
        Seed of the draw. Samples of one seed are nested: the 100 rows are among the 500.
    by : str, optional
        Column whose shares are kept; None for a plain draw.

    Returns
    -------
    Dataset
        The rows, in random order.

    Raises
    ------
    ValueError
        If `n` is below 1.
    """
    if n < 1:
        raise ValueError(f"n is {n}; ask for 1 row or more")
    return split.select(_drawing_order(split, seed, by)[:n])


def _drawing_order(split: Dataset, seed: int, by: str | None) -> np.ndarray:
    order = np.random.default_rng(seed).permutation(len(split))
    if by is not None and by in split.features:
        order = _interleave(order, np.asarray(split[by]))
    return order


def _interleave(order: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Reorder so that every prefix holds each class in its share, as near as whole rows allow."""
    positions = np.empty(len(order))
    shuffled = labels[order]
    for label in np.unique(labels):
        where = np.flatnonzero(shuffled == label)
        positions[where] = (np.arange(len(where)) + 0.5) / len(where)
    # Ties (equal class sizes) fall back on the random order, so no class always comes first.
    return order[np.argsort(positions, kind="stable")]


def split_off(
    rows: Dataset, n: int, by: str | None = "label", seed: int = SPLIT_SEED
) -> tuple[Dataset, Dataset]:
    """Cut `n` rows off at random, each class in its share, and return the rest and the cut.

    The rest is in a random order.

    Parameters
    ----------
    rows : Dataset
        What is cut.
    n : int
        How many rows are cut off.
    by : str, optional
        Column whose shares are kept; None for a plain draw.
    seed : int
        Seed of the draw.

    Returns
    -------
    tuple of Dataset
        The rest, and the cut.
    """
    order = _drawing_order(rows, seed, by)
    rest = np.random.default_rng(seed).permutation(order[n:])
    return rows.select(rest), rows.select(order[:n])


def three_way(rows: Dataset, validation: int, test: int, by: str | None = "label") -> DatasetDict:
    """Split rows into train, validation and test, the same on every machine."""
    rest, held_out = split_off(rows, test, by=by)
    train, validating = split_off(rest, validation, by=by)
    return DatasetDict(train=train, validation=validating, test=held_out)


def drop_near_duplicates(texts: Sequence[str], threshold: float = 0.8) -> list[int]:
    """Return the indices of texts to keep so that no two are nearly the same.

    Two texts are nearly the same if the sets of their words have a Jaccard similarity of
    `threshold` or more; the first is kept. A copy of a training sentence in the test set would
    be answered from memory.

    Parameters
    ----------
    texts : sequence of str
        The texts; one without a word is kept.
    threshold : float
        Above 0 and up to 1; 1 drops only texts of the same words.

    Returns
    -------
    list of int
        The indices, rising.

    Raises
    ------
    ValueError
        If the threshold is not above 0 and at most 1.

    Notes
    -----
    Each text is compared only with those that share one of its rarest words: sets as similar
    as that must share one among the rarest ``size - ceil(threshold * size) + 1`` of each
    (prefix filtering, S. Chaudhuri et al., ICDE 2006).
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold is {threshold}; it must be above 0 and at most 1")
    bags = [set(re.findall(r"\w+", text.lower())) for text in texts]
    frequency = Counter(word for bag in bags for word in bag)
    kept: list[int] = []
    kept_by_word: dict[str, list[int]] = defaultdict(list)
    least = threshold - 1e-9  # 0.8 * 15 is a little more than 12
    for i, bag in enumerate(bags):
        rarest = sorted(bag, key=lambda word: (frequency[word], word))
        prefix = rarest[: len(bag) - math.ceil(least * len(bag)) + 1]
        if not any(
            _similar(bag, bags[j], least)
            for j in {j for word in prefix for j in kept_by_word[word]}
        ):
            kept.append(i)
            for word in prefix:
                kept_by_word[word].append(i)
    return kept


def _similar(bag: set[str], other: set[str], least: float) -> bool:
    """Whether two sets of words have a Jaccard similarity of at least so much."""
    if not least * len(bag) <= len(other) <= len(bag) / least:
        return False  # sets of such different sizes cannot
    shared = len(bag & other)
    return shared >= least * (len(bag) + len(other) - shared)
