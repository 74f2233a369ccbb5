"""Serve the miniature's data sets at the row counts and token lengths of the real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, islice
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict, List, Translation, Value
from numpy.typing import NDArray
from scipy.stats import norm

from tlhelpers.roles import DATASETS, DataSource, TokenLengths

FILLER = " a"  # one token in each of the miniature's tokenizers
LONGEST = 1_100  # tokens; no model of the book reads more than the 1,024 of BART


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
        if not source.rows:
            raise UnknownSizeError(
                f"roles/data/{role}.yaml does not say how large {source.name} is: give rows (of "
                "each split on the hub), tokens (mean and p95 by column) and sizes_from"
            )
        splits = {name: enlarged(small[name], n, source.tokens) for name, n in source.rows.items()}
        return DatasetDict(splits)

    return load


def _full() -> list[tuple[str, dict[Any, DataSource]]]:
    return [(role, entry) for role, entry in DATASETS.items() if "full" in entry]


def enlarged(small: Dataset, rows: int, lengths: Mapping[str, TokenLengths]) -> Dataset:
    """Repeat a few rows to ``rows`` of them, in order, with texts of the lengths that are known.

    A text is a string, a list of words (whose tags are repeated along with them) or a translation.
    """
    chosen = np.sort(np.arange(rows) % len(small))
    columns = {name: [values[row] for row in chosen] for name, values in small[:].items()}
    for seed, (name, known) in enumerate(lengths.items()):
        tokens = draw_lengths(rows, known, seed)
        feature, texts = small.features[name], columns[name]
        if isinstance(feature, Value):
            columns[name] = _filled(texts, tokens)
        elif isinstance(feature, Translation):
            by_language = {code: _filled([t[code] for t in texts], tokens) for code in texts[0]}
            columns[name] = [
                dict(zip(by_language, both, strict=True))
                for both in zip(*by_language.values(), strict=True)
            ]
        else:
            columns[name] = [
                text.split() for text in _filled([words[0] for words in texts], tokens)
            ]
            sizes = [(len(old), len(new)) for old, new in zip(texts, columns[name], strict=True)]
            for other, values in columns.items():
                if other != name and isinstance(small.features[other], List):
                    columns[other] = [
                        list(islice(cycle(row), new)) if len(row) == old else row
                        for row, (old, new) in zip(values, sizes, strict=True)
                    ]
    return Dataset.from_dict(columns, features=small.features)


def _filled(texts: Sequence[str], tokens: NDArray[np.int64]) -> list[str]:
    """Keep each text's first word, and fill it up to so many tokens."""
    # Numbered, as a text that occurs twice is embedded once; a digit may be a token.
    return [
        f"{(text.split() or ['a'])[0]} {place}" + FILLER * max(0, int(n) - len(str(place)) - 3)
        for place, (text, n) in enumerate(zip(texts, tokens, strict=True))
    ]


def draw_lengths(rows: int, lengths: TokenLengths, seed: int = 0) -> NDArray[np.int64]:
    """Give each text a length: quantiles of the lognormal with this mean and 95 % point, mixed."""
    sigma = lengths.sigma
    middle = np.log(lengths.mean) - sigma**2 / 2
    ranks = (np.random.default_rng(seed).permutation(rows) + 0.5) / rows
    return np.exp(middle + sigma * norm.ppf(ranks)).round().astype(np.int64).clip(1, LONGEST)
