"""Serve the miniature's data sets at the row counts and token lengths of the real ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict, Value
from scipy.stats import norm

from tlhelpers.roles import DATASETS, DataSource, TokenLengths

FILLER = " a"  # one token in each of the miniature's tokenizers
LONGEST = 600  # tokens; no encoder of the book reads more than 512


class UnknownSizeError(LookupError):
    """A page uses a data set whose role file does not say how large it is."""


def at_true_size(load_dataset: Callable[..., DatasetDict]) -> Callable[..., DatasetDict]:
    """Wrap ``datasets.load_dataset`` so that what it gives has its real size.

    Raises
    ------
    UnknownSizeError
        When such a set is asked for and its size is not known.
    """
    by_hub = {entry["full"].hub: (role, entry["full"]) for role, entry in _full()}

    def load(path: str, *arguments: Any, **named: Any) -> DatasetDict:  # noqa: ANN401
        small = load_dataset(path, *arguments, **named)
        role, source = by_hub[path]
        if not source.rows or source.tokens is None:
            raise UnknownSizeError(
                f"roles/data/{role}.yaml does not say how large {source.name} is: give rows (of "
                "each split on the hub) and tokens (mean, p95 and where the figures are from)"
            )
        lengths = source.tokens
        return DatasetDict(
            {name: enlarged(small[name], rows, lengths) for name, rows in source.rows.items()}
        )

    return load


def _full() -> list[tuple[str, dict[Any, DataSource]]]:
    return [(role, entry) for role, entry in DATASETS.items() if "full" in entry]


def enlarged(small: Dataset, rows: int, lengths: TokenLengths) -> Dataset:
    """Repeat a few rows to ``rows`` of them, in order, with texts of the lengths that are known."""
    tokens = draw_lengths(rows, lengths)
    chosen = np.sort(np.arange(rows) % len(small))
    columns: dict[str, list[Any]] = {}
    for name, feature in small.features.items():
        values = small[name][:]
        if isinstance(feature, Value) and feature.dtype == "string" and name == "text":
            # Numbered, as a text that occurs twice is embedded once; a digit may be a token.
            starts = [f"{values[row].split()[0]} {place}" for place, row in enumerate(chosen)]
            columns[name] = [
                start + FILLER * max(0, int(n) - len(start.split()[1]) - 3)
                for start, n in zip(starts, tokens, strict=True)
            ]
        else:
            columns[name] = [values[row] for row in chosen]
    return Dataset.from_dict(columns, features=small.features)


def draw_lengths(rows: int, lengths: TokenLengths) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Give each text a length: quantiles of the lognormal with this mean and 95 % point, mixed."""
    sigma = lengths.sigma
    middle = np.log(lengths.mean) - sigma**2 / 2
    ranks = (np.random.default_rng(0).permutation(rows) + 0.5) / rows
    return np.exp(middle + sigma * norm.ppf(ranks)).round().astype(np.int64).clip(1, LONGEST)
