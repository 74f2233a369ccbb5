"""Padded batches: texts of like length together, as little padding as possible."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tlhelpers.metrics import IGNORED
from tlhelpers.training.question_answering import Passages

if TYPE_CHECKING:
    from datasets import Dataset

Batch = dict[str, Tensor]
Collator = Callable[[list[dict[str, Any]]], Mapping[str, Tensor]]

# Sorting within this many batches leaves hardly any padding, yet keeps the order near random;
# the sampler of transformers' Trainer looks at as many.
BATCHES_SORTED_TOGETHER = 50


@dataclass(frozen=True)
class Column:
    """One field of all examples: their values end to end, and where each example's begin."""

    values: NDArray[Any]  # (total, ...)
    offsets: NDArray[np.int64] | None  # (N + 1,); None if each example has just one value

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Return one example's values."""
        if self.offsets is None:
            return np.asarray(self.values[index])
        return self.values[self.offsets[index] : self.offsets[index + 1]]


@dataclass(frozen=True)
class Examples:
    """A data set as arrays, ready to be padded into batches."""

    columns: dict[str, Column]
    lengths: NDArray[np.int64]  # (N,) tokens
    padding: dict[str, int]  # what each column is filled up with
    left: bool = False  # some decoders are padded on the left
    positions: bool = False  # whether the model has to be told where a text begins
    passages: Passages | None = None  # for questions: of which texts the examples are windows

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.lengths)

    def fingerprint(self) -> str:
        """Return a short hash of the content, to know the same data again."""
        digest = hashlib.sha256(f"{sorted(self.padding.items())} {self.left}".encode())
        if self.passages is not None:
            digest.update(repr(self.passages.gold).encode())
        for name, column in sorted(self.columns.items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(column.values).tobytes())
            if column.offsets is not None:
                digest.update(column.offsets.tobytes())
        return digest.hexdigest()[:16]

    def batch(self, rows: NDArray[np.int64], collator: Collator | None = None) -> Batch:
        """Pad some examples into one batch.

        Parameters
        ----------
        rows : array of shape (B,)
            Which examples.
        collator : callable, optional
            A ``DataCollator`` of transformers that takes the examples instead, for instance one
            that masks tokens.

        Returns
        -------
        dict of Tensor
            Each of shape (B,) or (B, L), L the longest example's length. Texts padded on the left
            have ``position_ids``, if the model takes them: else it counts from the padding.
        """
        batch = self._padded(rows, collator)
        if self.left and self.positions and "attention_mask" in batch:
            batch["position_ids"] = (batch["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        return batch

    def _padded(self, rows: NDArray[np.int64], collator: Collator | None) -> Batch:
        if collator is not None:
            examples = [
                {name: column[row].tolist() for name, column in self.columns.items()}
                for row in rows
            ]
            return dict(collator(examples))
        return {name: self._pad(name, column, rows) for name, column in self.columns.items()}

    def _pad(self, name: str, column: Column, rows: NDArray[np.int64]) -> Tensor:
        if column.offsets is None:
            return torch.from_numpy(column.values[rows])
        starts, ends = column.offsets[rows], column.offsets[rows + 1]
        sizes = ends - starts
        width = int(sizes.max())
        padded = np.full((len(rows), width), self.padding.get(name, 0), column.values.dtype)
        for row, (start, end, size) in enumerate(zip(starts, ends, sizes, strict=True)):
            begin = width - size if self.left else 0
            padded[row, begin : begin + size] = column.values[start:end]
        return torch.from_numpy(padded)


def epoch_order(
    lengths: NDArray[np.int64],
    size: int,
    *,
    seed: int,
    epoch: int,
    bucketing: bool = True,
    shuffle: bool = True,
) -> list[NDArray[np.int64]]:
    """Deal an epoch's examples into batches, as a pure function of seed and epoch.

    Parameters
    ----------
    lengths : array of shape (N,)
        Tokens of each example.
    size : int
        Examples a batch.
    seed, epoch : int
        The same two give the same batches, so a resumed run sees what it would have seen.
    bucketing : bool
        Put examples of like length together.
    shuffle : bool
        Without it (and without bucketing) examples come in the order of the data set.

    Returns
    -------
    list of arrays
        Row numbers, ``size`` in each but perhaps the last.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths)) if shuffle else np.arange(len(lengths))
    if bucketing:
        span = size * BATCHES_SORTED_TOGETHER
        pieces = [order[start : start + span] for start in range(0, len(order), span)]
        # Stable: examples of one length stay in random order.
        pieces = [piece[np.argsort(-lengths[piece], kind="stable")] for piece in pieces]
        order = np.concatenate(pieces)
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    if bucketing and shuffle:
        batches = [batches[index] for index in random.permutation(len(batches))]
    return batches


def length_order(lengths: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """Deal all examples into batches of like length, the longest first.

    Parameters
    ----------
    lengths : array of shape (N,)
        Tokens of each example.
    size : int
        Examples a batch.

    Yields
    ------
    array of shape (B,)
        Row numbers. The first batch is the largest, so that a lack of memory shows at once.
    """
    order = np.argsort(-lengths, kind="stable")
    for start in range(0, len(order), size):
        yield order[start : start + size]


def padding_shares(
    data: Dataset, batch_size: int, max_length: int, *, seed: int = 0
) -> dict[str, float]:
    """Compare three ways to make batches by the share of padding in what is computed.

    Parameters
    ----------
    data : Dataset
        Tokenised examples with a column ``input_ids``.
    batch_size : int
        Examples a batch.
    max_length : int
        Tokens that the first way fills every example up to.
    seed : int
        For the order of the examples.

    Returns
    -------
    dict
        The way of making batches, and padding over all tokens, from 0 to 1.
    """
    lengths = np.array([len(ids) for ids in data["input_ids"]])
    ways = {"dynamic": False, "dynamic, texts of like length together": True}
    computed = {"all to one length": len(lengths) * max_length}
    for name, bucketing in ways.items():
        order = epoch_order(lengths, batch_size, seed=seed, epoch=0, bucketing=bucketing)
        computed[name] = sum(len(rows) * int(lengths[rows].max()) for rows in order)
    return {name: 1 - float(lengths.sum()) / tokens for name, tokens in computed.items()}


def count_labels(batch: Mapping[str, Tensor], model: nn.Module) -> int:
    """Count the terms that the mean in a model's loss runs over."""
    labels = batch.get("labels")
    if labels is None:
        return len(next(iter(batch.values())))
    if labels.ndim < 2 or labels.is_floating_point():
        return len(labels)
    if is_causal(model):
        labels = labels[:, 1:]  # the first token is predicted from nothing
    return int((labels != IGNORED).sum())


def is_causal(model: nn.Module | None) -> bool:
    """Tell whether a model predicts each token from those before it, with labels shifted by it."""
    encoder_decoder = getattr(getattr(plain(model), "config", None), "is_encoder_decoder", False)
    names = [name.replace("WithLMHeadModel", "") for name in kinds(model)]  # XLM's does not shift
    causal = any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in names)
    return causal and not encoder_decoder


def kinds(model: nn.Module | None) -> list[str]:
    """Name a model's class and those that it is derived from: a subclass has its parent's task."""
    return [cls.__name__ for cls in type(plain(model)).__mro__]


def is_kind(model: nn.Module | None, task: str) -> bool:
    """Tell whether a model is one for a task, such as ``"TokenClassification"``."""
    return any(name.endswith(f"For{task}") for name in kinds(model))


def answers_questions(model: nn.Module | None) -> bool:
    """Tell whether a model says where in a text an answer starts and ends."""
    return is_kind(model, "QuestionAnswering") or is_kind(model, "QuestionAnsweringSimple")


def plain(model: Any) -> Any:  # noqa: ANN401 - any wrapper
    """Take the model out of the wrappers of `accelerate` and `peft`."""
    model = getattr(model, "module", model)
    return model.get_base_model() if hasattr(model, "get_base_model") else model
