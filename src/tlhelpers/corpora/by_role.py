"""Labelled text by role: always train, validation and test, always the same split."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from datasets import ClassLabel, Dataset, DatasetDict
from datasets.utils import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)

from tlhelpers.corpora.splitting import split_off
from tlhelpers.profiles import Profile, current
from tlhelpers.roles import DATASETS, DataSource, Kind, source


def data(
    role: str,
    profile: str | Profile | None = None,
    language: str | None = None,
    quiet: bool = False,
) -> DatasetDict:
    """Get the data set of a role, split into train, validation and test.

    Parameters
    ----------
    role : str
        A key of `tlhelpers.roles.DATASETS`, e.g. ``"sentiment"``.
    profile : str or Profile, optional
        Which profile; by default the one in use.
    language : str, optional
        For a multilingual set, the language's code; by default ``"en"``.
    quiet : bool
        Print nothing.

    Returns
    -------
    DatasetDict
        Splits ``train``, ``validation`` and ``test``, with the columns that `COLUMNS` lists for
        the set's kind: ``text`` and ``label`` (a `ClassLabel`) for classification, ``tokens``
        and ``tags`` (a list of `ClassLabel`) for token classification. Sets of a domain have a
        fourth, ``unlabelled``: text of the domain for continued pretraining. Description,
        citation and licence are in ``info`` of each split.

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
    if language is not None and not entry.has_language(language):
        raise ValueError(
            f"{role!r} has no language {language!r} here; it has "
            f"{', '.join(entry.languages or ('en',))}"
        )
    if entry.asset is not None:
        from tlhelpers.corpora.from_assets import READERS

        read = READERS.get(entry.reader or "")
        if read is None:
            raise LookupError(
                f"the file of {role!r} names the reader {entry.reader!r}; there are "
                f"{', '.join(sorted(READERS))}. Write another one in tlhelpers.corpora.from_assets"
            )
        splits = read(entry, language or "en")
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


# --------------------------------------------------------------------------------------------
# The full profile: the hub
# --------------------------------------------------------------------------------------------


# What is kept of each kind of data set, under these names.
COLUMNS: dict[Kind, tuple[str, ...]] = {
    "classification": ("text", "label"),
    "pairs": ("premise", "hypothesis", "label"),
    "tokens": ("tokens", "tags"),
    "question-answering": ("id", "context", "question", "answers"),
    "summarisation": ("text", "summary"),
    "translation": ("translation",),
    "similarity": ("sentence1", "sentence2", "score"),
    "text": ("text",),
}
SPLITS = ("train", "validation", "test")
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
    names = entry.splits or {name: name for name in SPLITS}
    splits = DatasetDict({ours: raw[theirs] for ours, theirs in names.items()})
    if entry.columns:
        splits = splits.rename_columns(entry.columns)
    splits = splits.select_columns(list(COLUMNS[entry.kind]))
    if "label" in COLUMNS[entry.kind]:
        splits = _with_class_names(splits, entry.label_names)
    held_out = min(HELD_OUT, max(len(splits["train"]) // 10, 1))
    for name in ("test", "validation"):
        if name not in splits:
            splits["train"], splits[name] = split_off(splits["train"], held_out)
    if entry.domain:
        splits["unlabelled"] = splits["train"].select_columns("text")
    return DatasetDict({name: splits[name] for name in (*SPLITS, "unlabelled") if name in splits})


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
