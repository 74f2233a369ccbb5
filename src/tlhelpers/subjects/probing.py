"""What can be read off each layer: hidden states, linear probes, control tasks, mean layers.

A probe is a small classifier on frozen vectors. What it gets right says what a layer makes easy to
read, never what the model does with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tlhelpers.cache import build_once, cache_folder
from tlhelpers.profiles import device_for
from tlhelpers.vectors import hidden_states

INVERSE_PENALTIES = (0.001, 0.01, 0.1)

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


# --------------------------------------------------------------------------------------------
# Hidden states
# --------------------------------------------------------------------------------------------


def first_pieces(word_ids: Sequence[int | None]) -> list[int]:
    """Find where each word of one text starts among its tokens.

    Parameters
    ----------
    word_ids : sequence of int or None
        The word of each token, as a fast tokenizer's ``word_ids()`` gives it; None for special
        tokens and padding.

    Returns
    -------
    list of int
        Element w is the position of the first sub-word of word w. Words that were cut off at the
        end are missing.

    Examples
    --------
    >>> first_pieces([None, 0, 1, 1, 2, None])
    [1, 2, 4]
    """
    found: dict[int, int] = {}
    for position, word in enumerate(word_ids):
        if word is not None:
            found.setdefault(word, position)
    return [found[word] for word in sorted(found)]


def word_vectors(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sentences: Sequence[Sequence[str]],
    positions: Sequence[Sequence[int]] | None = None,
    *,
    batch_size: int = 32,
    cache: bool = True,
    progress: bool = True,
) -> Floats:
    """Read the vector of words in context off every layer, in one pass through the model.

    The vector of a word is that of its first sub-word.

    Parameters
    ----------
    model, tokenizer : PreTrainedModel, PreTrainedTokenizerBase
        An encoder without a head, and its fast tokenizer.
    sentences : sequence of sequences of str
        Each sentence as its words.
    positions : sequence of sequences of int, optional
        For each sentence, which words are wanted; by default all.
    batch_size : int
        Sentences a pass; those of like length share one.
    cache : bool
        Keep the vectors on disk (safetensors) and read them from there when model, weights,
        sentences and positions are the same.
    progress : bool
        Show a progress bar.

    Returns
    -------
    numpy.ndarray
        Shape ``(L + 1, N, C)``: layer 0 is what enters the first layer (embeddings of sub-word
        and position, summed and normalised); N words, sentence after sentence, in the order of
        `positions`.

    Raises
    ------
    ValueError
        If a wanted word is not in its sentence, was cut off, or has no sub-word.
    """
    wanted = positions or [range(len(words)) for words in sentences]
    if len(wanted) != len(sentences):
        raise ValueError(f"{len(wanted)} lists of positions for {len(sentences)} sentences")

    def of_sentence(hidden: Tensor, row: int, word_ids: Sequence[int | None]) -> Tensor:
        starts = first_pieces(word_ids)
        missing = [place for place in wanted[row] if not 0 <= place < len(starts)]
        if missing:
            raise ValueError(
                f"sentence {row} has {len(starts)} words within the model's reach; there is no "
                f"word {missing[0]}: shorten the sentence or ask for another word"
            )
        return hidden[:, [starts[place] for place in wanted[row]]]  # (L + 1, n, C)

    key = ["words", [list(words) for words in sentences], [list(places) for places in wanted]]
    return _read_layers(model, tokenizer, sentences, of_sentence, key, batch_size, cache, progress)


def sentence_vectors(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sentences: Sequence[Sequence[str]],
    *,
    batch_size: int = 32,
    cache: bool = True,
    progress: bool = True,
) -> Floats:
    """Average all token vectors of each sentence, at every layer.

    Parameters
    ----------
    model, tokenizer : PreTrainedModel, PreTrainedTokenizerBase
        As for :func:`word_vectors`, and so are the others.
    sentences : sequence of sequences of str
        Each sentence as its words.
    batch_size : int
        Sentences a pass.
    cache, progress : bool
        Whether to keep the vectors on disk, and to show a progress bar.

    Returns
    -------
    numpy.ndarray
        Shape ``(L + 1, N, C)`` for N sentences. At layer 0 this is a bag of embeddings.
    """

    def of_sentence(hidden: Tensor, row: int, word_ids: Sequence[int | None]) -> Tensor:
        return hidden.mean(1, keepdim=True)  # (L + 1, 1, C)

    key = ["sentences", [list(words) for words in sentences]]
    return _read_layers(model, tokenizer, sentences, of_sentence, key, batch_size, cache, progress)


def _read_layers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sentences: Sequence[Sequence[str]],
    of_sentence: Callable[[Tensor, int, Sequence[int | None]], Tensor],
    asked: object,
    batch_size: int,
    cache: bool,
    progress: bool,
) -> Floats:
    if not cache:
        return _compute(model, tokenizer, sentences, of_sentence, batch_size, progress)
    name = f"{_digest_of_weights(model)}-{_digest(asked, _rules_of(tokenizer))}"
    folder = cache_folder() / "hidden-states" / name

    def fill(fresh: Path) -> None:
        found = _compute(model, tokenizer, sentences, of_sentence, batch_size, progress)
        save_file({"hidden": found}, fresh / "hidden.safetensors")

    build_once(folder, fill, lock=f"hidden-states-{name}")
    return load_file(folder / "hidden.safetensors")["hidden"]


def _compute(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sentences: Sequence[Sequence[str]],
    of_sentence: Callable[[Tensor, int, Sequence[int | None]], Tensor],
    batch_size: int,
    progress: bool,
) -> Floats:
    parts: dict[int, Tensor] = {}
    for rows, layers, tokens in hidden_states(
        model,
        tokenizer,
        sentences,
        layers="all",
        batch_size=batch_size,
        max_length=_reach(model),
        progress=progress,
    ):
        for place, row in enumerate(rows):
            kept = tokens["attention_mask"][place].bool()  # (T,), without padding
            word_ids = [w for w, k in zip(tokens.word_ids(place), kept.tolist(), strict=True) if k]
            hidden = torch.stack([layer[place, kept] for layer in layers])  # (L + 1, T, C)
            parts[row] = of_sentence(hidden, row, word_ids).float().cpu()
    return torch.cat([parts[row] for row in range(len(sentences))], dim=1).numpy()


def _reach(model: PreTrainedModel) -> int:
    return min(getattr(model.config, "max_position_embeddings", 512), 512)


def _digest(*things: object) -> str:
    return hashlib.sha256(json.dumps(things, ensure_ascii=False).encode()).hexdigest()[:16]


def _rules_of(tokenizer: PreTrainedTokenizerBase) -> dict[str, object]:
    """Give what decides the tokens of a text, without what the last call asked for."""
    rules: dict[str, object] = json.loads(tokenizer.backend_tokenizer.to_str())
    return {name: rule for name, rule in rules.items() if name not in ("truncation", "padding")}


def _digest_of_weights(model: PreTrainedModel) -> str:
    """Name a model by its weights: a fine-tuned copy must not get the old hidden states."""
    digest = hashlib.sha256(type(model).__name__.encode())
    for name, weight in model.state_dict().items():
        digest.update(name.encode())
        digest.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


# --------------------------------------------------------------------------------------------
# Control tasks
# --------------------------------------------------------------------------------------------


def control_labels(types: Sequence[str], labels: ArrayLike, seed: int = 0) -> Labels:
    """Give every word type a random label: the same one each time the word appears.

    Nothing but the word itself tells these labels, so a probe that gets them right has learned
    them by heart (Hewitt and Liang 2019, arXiv:1909.03368, section 2).

    Parameters
    ----------
    types : sequence of str, N long
        The word of each example.
    labels : array of shape (N,)
        The true labels, 0 to k - 1; the random ones are drawn with the same frequencies.
    seed : int
        Seed of the draw.

    Returns
    -------
    array of shape (N,)
        The control task's labels.
    """
    true = _as_labels(labels)
    if len(types) != len(true):
        raise ValueError(f"{len(types)} words and {len(true)} labels: give one label a word")
    shares = np.bincount(true) / len(true)
    generator = np.random.default_rng(seed)
    names = sorted(set(types))
    drawn = dict(zip(names, generator.choice(len(shares), len(names), p=shares), strict=True))
    return np.array([drawn[name] for name in types], dtype=np.int64)


# --------------------------------------------------------------------------------------------
# Probes
# --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Probes:
    """One linear softmax probe for each layer, all fitted at once.

    Attributes
    ----------
    weight : Tensor of shape (L, C, k)
        For standardised features.
    bias : Tensor of shape (L, 1, k)
    centre, scale : Tensor of shape (L, 1, C)
        Mean and standard deviation of the training features.
    inverse_penalty : array of shape (L,)
        What was chosen for each layer, scikit-learn's ``C``.
    validation_accuracy : array of shape (L,)
        What it was chosen by.
    """

    weight: Tensor
    bias: Tensor
    centre: Tensor
    scale: Tensor
    inverse_penalty: NDArray[np.float64]
    validation_accuracy: NDArray[np.float64]

    def predict(self, features: Floats) -> Labels:
        """Return the predicted label of each example by each layer, shape ``(L, N)``."""
        x = (torch.from_numpy(features) - self.centre) / self.scale  # (L, N, C)
        return torch.baddbmm(self.bias, x, self.weight).argmax(-1).numpy()

    def accuracy(self, features: Floats, labels: ArrayLike) -> NDArray[np.float64]:
        """Return the share of right labels for each layer, shape ``(L,)``."""
        return np.asarray((self.predict(features) == np.asarray(labels)).mean(1), dtype=np.float64)


def fit_probes(
    features: Floats,
    labels: ArrayLike,
    validation_features: Floats,
    validation_labels: ArrayLike,
    *,
    inverse_penalties: Sequence[float] = INVERSE_PENALTIES,
    max_iter: int = 100,
) -> Probes:
    """Fit a linear softmax probe on each layer, and choose each layer's penalty on validation data.

    Every layer and every penalty is one problem of the same convex kind that scikit-learn's
    ``LogisticRegression`` solves; L-BFGS solves all of them in one run, as one batched matrix
    product.

    Parameters
    ----------
    features : array of shape (L, N, C)
        Frozen vectors by layer. They are standardised with the mean and deviation of these N.
    labels : array of shape (N,)
        Classes 0 to k - 1.
    validation_features, validation_labels : arrays of shape (L, M, C) and (M,)
        To choose the penalty with; each layer has the same choice.
    inverse_penalties : sequence of float
        Candidates for scikit-learn's ``C``; of two equally good ones the smaller is kept.
    max_iter : int
        Iterations of L-BFGS.

    Returns
    -------
    Probes
        The chosen probe of each layer.
    """
    y, truth = _as_labels(labels), _as_labels(validation_labels)
    device = device_for().value
    x, centre, scale = _standardised(torch.from_numpy(features).to(device))
    layers, n, width = x.shape
    classes, tried = int(max(y.max(), truth.max())) + 1, len(inverse_penalties)
    strength = x.new_tensor([1 / (c * n) for c in inverse_penalties]).view(1, 1, tried, 1)
    target = torch.from_numpy(y).to(device).view(1, n, 1).expand(layers, n, tried)
    weight = x.new_zeros(layers, width, tried, classes).requires_grad_()
    bias = x.new_zeros(layers, 1, tried, classes).requires_grad_()

    def loss() -> Tensor:
        logits = torch.bmm(x, weight.flatten(2)).view(layers, n, tried, classes) + bias
        fit = functional.cross_entropy(logits.flatten(0, -2), target.flatten())
        return fit * layers * tried + (strength * weight.square()).sum() / 2

    _minimise([weight, bias], loss, max_iter)
    with torch.inference_mode():
        held_out = (torch.from_numpy(validation_features).to(device) - centre) / scale
        logits = torch.bmm(held_out, weight.flatten(2)).view(layers, -1, tried, classes) + bias
        guessed = logits.argmax(-1).cpu()  # (L, M, penalties)
    right = (guessed == torch.from_numpy(truth).view(1, -1, 1)).float().mean(1)
    best = right.argmax(1)  # (L,), the first of equals
    chosen = torch.arange(layers)
    return Probes(
        weight.detach().cpu()[chosen, :, best],
        bias.detach().cpu()[chosen, :, best],
        centre.cpu(),
        scale.cpu(),
        np.asarray(inverse_penalties, dtype=np.float64)[best.numpy()],
        right.max(1).values.double().numpy(),
    )


def _minimise(parameters: list[Tensor], loss: Callable[[], Tensor], max_iter: int) -> None:
    optimizer = torch.optim.LBFGS(
        parameters,
        max_iter=max_iter,
        history_size=10,
        tolerance_grad=1e-5,
        tolerance_change=1e-7,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(closure)


def _standardised(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    centre = x.mean(1, keepdim=True)
    scale = x.std(1, correction=0, keepdim=True).clamp(min=1e-6)
    return (x - centre) / scale, centre, scale


def _as_labels(labels: ArrayLike) -> Labels:
    found = np.asarray(labels)
    if found.ndim != 1 or not np.issubdtype(found.dtype, np.integer) or found.min(initial=0) < 0:
        raise ValueError(f"labels must be a list of class numbers from 0, not {labels!r:.80}")
    return found.astype(np.int64)


# --------------------------------------------------------------------------------------------
# Where in the stack
# --------------------------------------------------------------------------------------------


def mean_layer_of_gain(scores: ArrayLike, floor: float) -> float:
    """Average the layer numbers, each weighted by what it adds to the score.

    Parameters
    ----------
    scores : array of shape (L,)
        Scores of probes that may use layer 0, layers 0 and 1, ..., all layers.
    floor : float
        The score without any layer, for example of the majority class.

    Returns
    -------
    float
        ``sum(l * d[l]) / sum(d)`` for l = 0, 1, ..., where ``d[l]`` is what the score gains when
        layer l is added. A relative of the *expected layer* of Tenney, Das and Pavlick (2019,
        arXiv:1905.05950, section 3.2), which begins at layer 1 and takes probes that mix layers 0
        to l; here what layer 0 knows counts too, so that a task which the embeddings solve lies at
        0. Their *centre of gravity* is a third thing: it averages the layers by the weights of such
        a mixture, and looks at no score.

    Raises
    ------
    ValueError
        If the last score is not above the floor: then nothing was read off any layer.
    """
    s = np.asarray(scores, dtype=np.float64)
    if s.ndim != 1 or not s[-1] > floor:
        raise ValueError(f"scores {s.round(3).tolist()} do not end above the floor, {floor:.3f}")
    return float(np.arange(len(s)) @ np.diff(s, prepend=floor) / (s[-1] - floor))


def linear_cka(before: Floats, after: Floats) -> float:
    """Say how alike two sets of vectors of the same examples are, whatever their rotation.

    Parameters
    ----------
    before, after : arrays of shape (N, C) and (N, D)
        The vectors, one a row.

    Returns
    -------
    float
        From 0 to 1; 1 for equal up to rotation and scale: linear centred kernel alignment
        (Kornblith et al. 2019, arXiv:1905.00414).
    """
    a = np.asarray(before, dtype=np.float64) - before.mean(0, dtype=np.float64)
    b = np.asarray(after, dtype=np.float64) - after.mean(0, dtype=np.float64)
    shared = np.square(a.T @ b).sum()
    return float(shared / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)))
