"""What fine-tuning does to what a model knew: an old skill, the way of the weights, two remedies.

The skill has nothing to do with the labels of the new task: a headline finds its own article. Both
remedies are a ``loss_function`` of :func:`tlhelpers.training.fit.fit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tlhelpers.training.layers import layer_groups
from tlhelpers.training.prediction import own_loss
from tlhelpers.training.settings import Event
from tlhelpers.vectors import embed, pool


class Pairs(NamedTuple):
    """Texts that belong together, such as headlines and articles.

    Attributes
    ----------
    queries, documents : list of N str
        The query in row i asks for the document in row i.
    """

    queries: list[str]
    documents: list[str]

    @classmethod
    def of(cls, split: Dataset, query: str, document: str, count: int) -> Pairs:
        """Take the first rows of a data set.

        Parameters
        ----------
        split : datasets.Dataset
            For instance ``tl.data("topics")["test"]``.
        query, document : str
            The columns, for instance ``"headline"`` and ``"text"``.
        count : int
            How many rows.

        Returns
        -------
        Pairs
            As many pairs.

        Raises
        ------
        ValueError
            If the data set has fewer rows.
        """
        if not 1 <= count <= len(split):
            raise ValueError(
                f"count={count}: the data set has {len(split)} rows, ask for 1 or more"
            )
        rows = split.select(range(count))
        return cls(list(rows[query]), list(rows[document]))


def finds_its_own(
    queries: NDArray[np.floating], documents: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Tell which queries are nearest, by cosine, to their own document.

    Parameters
    ----------
    queries, documents : numpy.ndarray
        Vectors of shape ``(N, C)``; those of row i belong together.

    Returns
    -------
    numpy.ndarray
        Shape ``(N,)``. The share of true is what retrieval calls accuracy at 1. A tie is no find: a
        model that gives every text one vector has found nothing.
    """
    queries, documents = (
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (queries, documents)
    )
    cosines = queries @ documents.T  # (N, N)
    own = np.diag(cosines).copy()
    np.fill_diagonal(cosines, -np.inf)
    found: NDArray[np.bool_] = own > cosines.max(axis=1)
    return found


def old_skill(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Pairs,
    *,
    max_length: int = 64,
) -> NDArray[np.bool_]:
    """Tell which headlines find their own article, by the mean vectors of the model's encoder.

    Parameters
    ----------
    model : PreTrainedModel
        With a head or without: the head is left out.
    tokenizer : PreTrainedTokenizerBase
        Its tokenizer.
    pairs : Pairs
        Headlines and articles.
    max_length : int
        Tokens that are read of a text.

    Returns
    -------
    numpy.ndarray
        Shape ``(N,)``; see :func:`finds_its_own`.
    """
    was_training, encoder = model.training, model.base_model
    assert isinstance(encoder, PreTrainedModel)
    queries, documents = (
        embed(encoder, tokenizer, texts, max_length=max_length, progress=False) for texts in pairs
    )
    model.train(was_training)
    return finds_its_own(queries, documents)


# --------------------------------------------------------------------------------------------
# The way of the weights
# --------------------------------------------------------------------------------------------


def copy_of_weights(model: nn.Module) -> dict[str, Tensor]:
    """Copy the parameters of a model, by their names."""
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def relative_changes(model: nn.Module, start: Mapping[str, Tensor]) -> dict[str, float]:
    """Measure how far each weight matrix of the layers has moved.

    Parameters
    ----------
    model : nn.Module
        The model after training.
    start : mapping of str to torch.Tensor
        What :func:`copy_of_weights` gave before.

    Returns
    -------
    dict of str to float
        The length of the change over that of the matrix at the start (Frobenius norms). Embeddings
        and head are left out: of the one, a run reads few rows; the other starts from chance.
    """
    changes = {}
    weights = dict(model.named_parameters())
    for layer, names in layer_groups(model).items():
        if layer.startswith("layer "):
            for name in names:
                if weights[name].ndim == 2:
                    moved = weights[name].detach() - start[name]
                    changes[name] = float(moved.norm() / start[name].norm())
    return changes


@dataclass
class UpdateLengths:
    """Measure the first updates of a run: a callback of :func:`tlhelpers.training.fit.fit`.

    Adam's first update moves every weight by the learning rate, whatever the gradient: its average
    and the root of its mean square are the same number then (Kingma and Ba 2015, algorithm 1,
    https://arxiv.org/abs/1412.6980).

    Attributes
    ----------
    model : nn.Module
        The model, before it is trained.
    updates : int
        How many to measure.
    lengths : list of float
        Of each update, over all weights (Euclidean norm).
    learning_rates : list of float
        The rate that each was made with.
    """

    model: nn.Module
    updates: int = 10
    lengths: list[float] = field(default_factory=list, init=False)
    learning_rates: list[float] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Keep the weights as they are before the first update."""
        self._before = copy_of_weights(self.model)

    def __call__(self, event: Event) -> None:
        """Measure an update, as long as there are some to measure."""
        if event.kind != "step" or len(self.lengths) == self.updates:
            return
        squares = 0.0
        for name, weight in self.model.named_parameters():
            squares += float((weight.detach() - self._before[name]).square().sum())
            self._before[name].copy_(weight.detach())
        self.lengths.append(squares**0.5)
        self.learning_rates.append(event.learning_rate)


# --------------------------------------------------------------------------------------------
# Two remedies
# --------------------------------------------------------------------------------------------


@dataclass
class L2SP:
    r"""Pull the pretrained weights towards where they started, and the new head towards zero.

    A loss function: the model's own loss plus :math:`\frac{\alpha}{2}\lVert w - w^0\rVert^2` over
    the pretrained weights plus :math:`\frac{\beta}{2}\lVert w\rVert^2` over the new ones (Li,
    Grandvalet and Davoine 2018, https://arxiv.org/abs/1802.01483). Turn the decay of ``fit`` off
    with it, ``weight_decay=0``: that pulls all weights to zero. On validation data the pull is left
    out, so that losses can be compared.

    Attributes
    ----------
    model : PreTrainedModel
        The model, before it is trained.
    alpha, beta : float
        How strong the two pulls are.

    Notes
    -----
    The authors train with SGD. Adam divides the pull, as all of the gradient, by the root of its
    mean square; Chen et al. 2020 (https://arxiv.org/abs/2004.12651) take it out of there, as AdamW
    does with decay.
    """

    model: PreTrainedModel
    alpha: float = 0.1
    beta: float = 0.01

    def __post_init__(self) -> None:
        """Keep the pretrained weights as they are now, and tell them from the new ones."""
        if self.alpha < 0 or self.beta < 0:
            raise ValueError(f"alpha={self.alpha} and beta={self.beta} must be 0 or more, as 0.1")
        pretrained = list(self.model.base_model.parameters())
        self._pretrained = [(weight, weight.detach().clone()) for weight in pretrained]
        known = {id(weight) for weight in pretrained}
        self._head = [weight for weight in self.model.parameters() if id(weight) not in known]

    def penalty(self) -> Tensor:
        """Return what is added to the loss, shape ``()``."""
        moved = sum((weight - start).square().sum() for weight, start in self._pretrained)
        head = sum(weight.square().sum() for weight in self._head)
        return torch.as_tensor(self.alpha / 2 * moved + self.beta / 2 * head)

    def __call__(self, outputs: Any, batch: Mapping[str, Tensor]) -> Tensor:  # noqa: ANN401
        """Return the loss of a batch, shape ``()``."""
        loss = own_loss(outputs)
        return loss + self.penalty() if torch.is_grad_enabled() else loss


def contrastive_loss(queries: Tensor, documents: Tensor, scale: float = 20.0) -> Tensor:
    """Ask each query for its document among those of the batch, and each document for its query.

    Parameters
    ----------
    queries, documents : torch.Tensor
        Vectors of shape ``(B, C)``; those of row i belong together.
    scale : float
        What cosines are multiplied by before the softmax, one over its temperature.

    Returns
    -------
    torch.Tensor
        Shape ``()``.

    Notes
    -----
    The loss that all-MiniLM-L6-v2 was trained with, at this scale (``train_script.py`` beside its
    weights); in sentence-transformers ``MultipleNegativesRankingLoss`` in both directions.
    """
    cosines = normalize(queries, dim=1) @ normalize(documents, dim=1).T  # (B, B)
    own = torch.arange(len(cosines), device=cosines.device)
    there, back = (cross_entropy(scale * scores, own) for scores in (cosines, cosines.T))
    return (there + back) / 2


@dataclass
class Rehearsal:
    """Mix a few old examples into every update, with the loss that the model learnt them by.

    A loss function: the model's own loss plus that of a batch of old pairs. The old examples keep
    their old loss: the new task has no labels for them, and a loss that asks for the right pair
    leaves the encoder free to move, where one that asks for the old vectors would not. On
    validation data the old examples are left out. The name is that of Robins 1995, Catastrophic
    forgetting, rehearsal and pseudorehearsal, Connection Science 7.

    Attributes
    ----------
    model : PreTrainedModel
        The model that is trained.
    tokenizer : PreTrainedTokenizerBase
        Its tokenizer.
    pairs : Pairs
        The old examples; none of those that the old skill is tested on.
    batch_size : int
        Pairs an update.
    weight : float
        What their loss counts beside that of the new task.
    max_length : int
        Tokens that are read of a text.
    seed : int
        Decides their order.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    pairs: Pairs
    batch_size: int = 8
    weight: float = 1.0
    max_length: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        """Check that there are pairs to tell apart."""
        if not 2 <= self.batch_size <= len(self.pairs.queries):
            raise ValueError(
                f"batch_size={self.batch_size}: a pair needs another one to be told from, and "
                f"there are {len(self.pairs.queries)} pairs"
            )
        self._random = np.random.default_rng(self.seed)

    def old_loss(self) -> Tensor:
        """Return the loss of some old pairs, drawn anew each time, shape ``()``."""
        rows = self._random.choice(len(self.pairs.queries), self.batch_size, replace=False)
        queries, documents = (self._vectors([texts[row] for row in rows]) for texts in self.pairs)
        return contrastive_loss(queries, documents)

    def _vectors(self, texts: list[str]) -> Tensor:
        tokens = self.tokenizer(
            texts, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt"
        ).to(self.model.device)
        hidden = self.model.base_model(**tokens).last_hidden_state  # (B, T, C)
        return pool(hidden, tokens["attention_mask"], "mean")  # (B, C)

    def __call__(self, outputs: Any, batch: Mapping[str, Tensor]) -> Tensor:  # noqa: ANN401
        """Return the loss of a batch, shape ``()``."""
        loss = own_loss(outputs)
        return loss + self.weight * self.old_loss() if torch.is_grad_enabled() else loss
