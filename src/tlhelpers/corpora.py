"""Labelled text by role: always train, validation and test, always the same split."""

from __future__ import annotations

import contextlib
import math
import re
import tarfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from datasets.utils import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)

from tlhelpers.profiles import DATASETS, DataSource, Profile, current, source

SPLIT_SEED = 20_140_601  # fixed for ever: results recorded in the book rest on these splits


def data(
    role: str,
    profile: str | Profile | None = None,
    language: str | None = None,
    quiet: bool = False,
) -> DatasetDict:
    """Get the data set of a role, split into train, validation and test.

    Parameters
    ----------
    role
        A key of `tlhelpers.profiles.DATASETS`, e.g. ``"sentiment"``.
    profile
        Which profile; by default the one in use.
    language
        For a multilingual set, the language's code; by default ``"en"``.
    quiet
        Print nothing.

    Returns
    -------
    DatasetDict
        Splits ``train``, ``validation`` and ``test``, with the columns that `COLUMNS` lists for
        the set's kind: ``text`` and ``label`` (a `ClassLabel`) for classification, ``tokens``
        and ``tags`` (a list of `ClassLabel`) for token classification. Description, citation
        and licence are in ``info`` of each split.

    Raises
    ------
    LookupError
        If the role is unknown in this profile.
    ValueError
        If the set does not have the language.
    ConnectionError
        If the data set is on the hub and the hub cannot be reached.
    """
    chosen = current(profile)
    entry = source(DATASETS, role, chosen)
    if language is not None and language not in (entry.languages or ("en",)):
        raise ValueError(
            f"{role!r} has no language {language!r} here; it has "
            f"{', '.join(entry.languages or ('en',))}"
        )
    if entry.asset is not None:
        splits = _READERS[role](entry, language or "en")
    else:
        splits = _from_hub(entry, language or "en")
    for split in splits.values():
        split.info.description = f"{entry.name}: {entry.note}" if entry.note else entry.name
        split.info.citation = entry.citation
        split.info.license = entry.licence
    if not quiet:
        print(describe(splits))
    return splits


def describe(splits: DatasetDict) -> str:
    """Say in one line what a data set is: name, rows of each split, classes."""
    train = splits["train"]
    sizes = ", ".join(f"{len(split):,} {name}" for name, split in splits.items())
    line = f"{train.info.description.split(':')[0]}: {sizes}"
    classes = train.features.get("label") or getattr(train.features.get("tags"), "feature", None)
    if isinstance(classes, ClassLabel):
        names = classes.names
        line += f" · {len(names)} classes: {', '.join(names[:6])}" + ("…" if names[6:] else "")
    return line


def label_names(splits: DatasetDict | Dataset, column: str = "label") -> list[str]:
    """Return the names of the classes, in the order of their numbers."""
    split = next(iter(splits.values())) if isinstance(splits, DatasetDict) else splits
    feature = split.features[column]
    return list(getattr(feature, "feature", feature).names)


def sample(split: Dataset, n: int, seed: int = 0, by: str | None = "label") -> Dataset:
    """Draw `n` rows at random, each class in its share; all rows if there are fewer.

    The first `n` rows are no sample: many data sets are sorted by class (the first 12,500 rows
    of IMDB are all negative).

    Parameters
    ----------
    split
        One split of a data set.
    n
        How many rows.
    seed
        Seed of the draw. Samples of one seed are nested: the 100 rows are among the 500.
    by
        Column whose shares are kept; None for a plain draw.
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
    texts
        The texts; one without a word is kept.
    threshold
        Above 0 and up to 1; 1 drops only texts of the same words.

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
    for i, bag in enumerate(bags):
        rarest = sorted(bag, key=lambda word: (frequency[word], word))
        prefix = rarest[: len(bag) - math.ceil(threshold * len(bag)) + 1]
        candidates = {j for word in prefix for j in kept_by_word[word]}
        if any(len(bag & bags[j]) >= threshold * len(bag | bags[j]) for j in candidates):
            continue
        kept.append(i)
        for word in prefix:
            kept_by_word[word].append(i)
    return kept


# --------------------------------------------------------------------------------------------
# The tiny profile: assets
# --------------------------------------------------------------------------------------------


def _asset_text(folder: Path, name: str) -> str:
    """Read a file of an unpacked asset, also if it sits inside a tar archive there."""
    for path in sorted(folder.rglob(name)):
        return path.read_text(encoding="utf-8")
    for archive in sorted(folder.rglob("*.tar.gz")):
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile() and Path(member.name).name == name:
                    extracted = tar.extractfile(member)
                    assert extracted is not None
                    return extracted.read().decode("utf-8")
    raise FileNotFoundError(
        f"no {name} under {folder}; fetch it anew with `tl assets fetch` after deleting the folder"
    )


def _sentiment(entry: DataSource, language: str) -> DatasetDict:
    from tlhelpers.assets import fetch

    assert entry.asset is not None
    text = _asset_text(fetch(entry.asset), "movieReviewSnippets_GroundTruth.txt")
    return sentiment_splits(text, label_names=entry.label_names)


def sentiment_splits(
    text: str,
    label_names: Sequence[str] = ("negative", "positive"),
    validation: int = 500,
    test: int = 1_000,
) -> DatasetDict:
    """Turn lines of id, rating and sentence (tab-separated) into labelled splits.

    Sentences rated between -0.5 and 0.5 are left out: people do not agree on their sign.
    Near copies are left out too, so that none is in two splits.

    Parameters
    ----------
    text
        The file's text.
    label_names
        Names of the classes below and above zero.
    validation, test
        Rows of these splits; the rest is train.
    """
    rows = [line.split("\t") for line in text.splitlines() if line.strip()]
    rated = [
        (float(rating), re.sub(r"\s+", " ", sentence).strip())
        for _, rating, sentence in rows
        if abs(float(rating)) >= 0.5
    ]
    kept = [rated[i] for i in drop_near_duplicates([sentence for _, sentence in rated])]
    features = Features(
        text=Value("string"), label=ClassLabel(names=list(label_names)), rating=Value("float32")
    )
    columns = {
        "text": [sentence for _, sentence in kept],
        "label": [int(rating > 0) for rating, _ in kept],
        "rating": [rating for rating, _ in kept],
    }
    return three_way(Dataset.from_dict(columns, features=features), validation, test)


_READERS: dict[str, Callable[[DataSource, str], DatasetDict]] = {"sentiment": _sentiment}


# --------------------------------------------------------------------------------------------
# The full profile: the hub
# --------------------------------------------------------------------------------------------


# What is kept of each kind of data set, under these names.
COLUMNS: dict[str, tuple[str, ...]] = {
    "classification": ("text", "label"),
    "pairs": ("premise", "hypothesis", "label"),
    "tokens": ("tokens", "tags"),
    "question-answering": ("id", "context", "question", "answers"),
    "summarisation": ("text", "summary"),
    "translation": ("translation",),
    "similarity": ("sentence1", "sentence2", "score"),
    "text": ("text",),
}
HELD_OUT = 2_000  # rows cut from train where the hub has no validation or test; a tenth if fewer


def _from_hub(entry: DataSource, language: str) -> DatasetDict:
    from datasets import load_dataset

    assert entry.hub is not None
    config = entry.config.format(language=language) if entry.config else None
    try:
        raw: Any = load_dataset(entry.hub, config, revision=entry.revision)
    except (ConnectionError, FileNotFoundError) as error:
        raise ConnectionError(
            f"cannot get {entry.hub} from the hub: {error}. Check the connection, or use "
            "profile='tiny', which reads from the package registry"
        ) from error
    with _no_bars():
        return _made_uniform(raw, entry)


def _made_uniform(raw: DatasetDict, entry: DataSource) -> DatasetDict:
    """Give splits, columns and classes of a raw set from the hub our names."""
    names = dict(entry.splits) or {name: name for name in ("train", "validation", "test")}
    splits = DatasetDict({ours: raw[theirs] for ours, theirs in names.items()})
    if entry.columns:
        splits = splits.rename_columns(dict(entry.columns))
    splits = splits.select_columns(list(COLUMNS[entry.kind]))
    if "label" in COLUMNS[entry.kind]:
        splits = _with_class_names(splits, entry.label_names)
    held_out = min(HELD_OUT, max(len(splits["train"]) // 10, 1))
    for name in ("test", "validation"):
        if name not in splits:
            splits["train"], splits[name] = split_off(splits["train"], held_out)
    return DatasetDict({name: splits[name] for name in ("train", "validation", "test")})


def _with_class_names(splits: DatasetDict, names: Sequence[str]) -> DatasetDict:
    """Make ``label`` a `ClassLabel`, whether it was one, a number or a name."""
    found = splits["train"].features["label"]
    if not names:
        named = isinstance(found, ClassLabel)
        names = found.names if named else sorted(set(splits["train"]["label"]))
    return splits.cast_column("label", ClassLabel(names=list(names)))


@contextlib.contextmanager
def _no_bars() -> Iterator[None]:
    """Hold back the bars of steps that take seconds; downloads keep theirs."""
    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
