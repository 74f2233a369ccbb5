"""One pass through a frozen encoder, and what is read off it: a vector for each text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tlhelpers.device import choose_precision
from tlhelpers.progress import progress_bar

Pooling = Literal["mean", "cls"]
Layers = Literal["all", "last"]


class HiddenStates(NamedTuple):
    """What a frozen encoder makes of a batch of B texts, T tokens long with their padding.

    Attributes
    ----------
    rows : list of int
        Which texts these are, B numbers.
    layers : tuple of torch.Tensor
        Each of shape ``(B, T, C)``: the embeddings and every layer, or the last layer alone.
    tokens : BatchEncoding
        ``tokens["attention_mask"]`` of shape ``(B, T)``; ``tokens.word_ids(b)``, for each token of
        text b, the word that it is a piece of.
    """

    rows: list[int]
    layers: tuple[torch.Tensor, ...]
    tokens: Any


def pool(hidden: torch.Tensor, attention_mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Reduce the token vectors of each text to one vector.

    Parameters
    ----------
    hidden : torch.Tensor
        Last hidden states, shape ``(B, T, C)``.
    attention_mask : torch.Tensor
        One for tokens, zero for padding, shape ``(B, T)``.
    pooling : {"mean", "cls"}
        The mean over the tokens (Reimers and Gurevych, 2019, arXiv:1908.10084) or the first token.

    Returns
    -------
    torch.Tensor
        Shape ``(B, C)``.
    """
    if pooling == "cls":
        return hidden[:, 0]  # (B, C)
    weight = attention_mask.unsqueeze(-1).to(hidden.dtype)  # (B, T, 1)
    return (hidden * weight).sum(1) / weight.sum(1)  # (B, C)


@torch.inference_mode()
def hidden_states(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str] | Sequence[Sequence[str]],
    *,
    layers: Layers,
    batch_size: int,
    truncation: bool = True,
    max_length: int | None = None,
    precision: torch.dtype = torch.float32,
    progress: bool = False,
    description: str = "hidden states",
) -> Iterator[HiddenStates]:
    """Run texts through a frozen encoder, on its own device, without gradients.

    Texts of similar length share a batch, so that little is computed for padding.

    Parameters
    ----------
    model, tokenizer : PreTrainedModel, PreTrainedTokenizerBase
        An encoder without a head, left in evaluation mode, and its tokenizer.
    texts : sequence of str, or of sequences of str
        Texts, or each as its words.
    layers : {"all", "last"}
        Which layers to hand over.
    batch_size : int
        Texts a batch.
    truncation : bool
        Whether longer texts are cut.
    max_length : int, optional
        To how many tokens; to what the tokenizer allows by default.
    precision : torch.dtype
        Of the matrix products; the vectors are float32 in any case.
    progress : bool
        Show a progress bar.
    description : str
        What the bar says.

    Yields
    ------
    HiddenStates
        One batch after another, the shortest texts first.
    """
    model.eval()
    texts = list(texts)  # a column of a data set decodes itself at each access
    words = bool(texts) and not isinstance(texts[0], str)
    cut: dict[str, Any] = {
        "is_split_into_words": words,
        "truncation": truncation,
        "max_length": max_length,
    }
    given = [list(text) for text in texts] if words else texts
    # By tokens, not by characters: batches of short sentences would be a quarter padding. To
    # tokenise twice, here and batch by batch, takes a hundredth of the time of a pass on the CPU.
    lengths = [len(ids) for ids in tokenizer(given, **cut)["input_ids"]] if texts else []
    shortest_first = sorted(range(len(texts)), key=lengths.__getitem__)
    starts = range(0, len(texts), batch_size)
    for start in progress_bar(starts, desc=description, unit="batch", show=progress):
        rows = shortest_first[start : start + batch_size]
        batch = [given[row] for row in rows]
        tokens = tokenizer(batch, padding=True, return_tensors="pt", **cut).to(model.device)
        half = precision != torch.float32
        with torch.autocast(model.device.type, precision, enabled=half):
            outputs = model(**tokens, output_hidden_states=layers == "all")
        hidden = outputs.hidden_states if layers == "all" else (outputs.last_hidden_state,)
        yield HiddenStates(rows, hidden, tokens)


def text_vectors(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    pooling: Pooling = "mean",
    **how: Any,  # noqa: ANN401 -- those of hidden_states
) -> NDArray[np.float32]:
    """Reduce each of N texts to a vector at each of K layers.

    Parameters
    ----------
    model, tokenizer : PreTrainedModel, PreTrainedTokenizerBase
        An encoder without a head, and its tokenizer.
    texts : sequence of str
        At least one text.
    pooling : {"mean", "cls"}
        See :func:`pool`.
    **how
        What else :func:`hidden_states` takes.

    Returns
    -------
    numpy.ndarray
        Shape ``(K, N, C)``, in the order of `texts`.
    """
    vectors: NDArray[np.float32] | None = None
    for rows, layers, tokens in hidden_states(model, tokenizer, texts, **how):
        if vectors is None:
            vectors = np.empty((len(layers), len(texts), layers[0].shape[-1]), dtype=np.float32)
        for layer, hidden in enumerate(layers):
            pooled = pool(hidden, tokens["attention_mask"], pooling)  # (B, C)
            vectors[layer, rows] = pooled.float().cpu().numpy()
    assert vectors is not None
    return vectors


def embed(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    pooling: Pooling = "mean",
    batch_size: int = 64,
    max_length: int = 256,
    precision: str = "auto",
    progress: bool = True,
) -> NDArray[np.float32]:
    """Embed texts with a frozen encoder.

    Texts of similar length share a batch, so that little is computed for padding.

    Parameters
    ----------
    model : PreTrainedModel
        An encoder without a task head; it is left in evaluation mode.
    tokenizer : PreTrainedTokenizerBase
        The tokenizer that the encoder was pretrained with.
    texts : sequence of str
        The texts.
    pooling : {"mean", "cls"}
        See :func:`pool`.
    batch_size : int
        Texts a batch.
    max_length : int
        Longer texts are cut to this many tokens.
    precision : str
        See `tlhelpers.device.choose_precision`: half on a CUDA GPU, as in training.
    progress : bool
        Show a progress bar.

    Returns
    -------
    numpy.ndarray
        Shape ``(len(texts), hidden_size)``, in the order of `texts`.

    Raises
    ------
    ValueError
        If `texts` is one string, or empty; or there is no such precision here.
    """
    if isinstance(texts, str) or not len(texts):
        raise ValueError(f"embed needs a list of texts with at least one text, got {texts!r}")
    (vectors,) = text_vectors(
        model,
        tokenizer,
        texts,
        pooling=pooling,
        layers="last",
        batch_size=batch_size,
        max_length=max_length,
        precision=choose_precision(model.device, precision).value,
        progress=progress,
        description="embed",
    )  # (N, C)
    return vectors
