"""Sentence embeddings: one vector for each text, from a frozen encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tlhelpers.progress import progress_bar

Pooling = Literal["mean", "cls"]


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
def embed(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    pooling: Pooling = "mean",
    batch_size: int = 64,
    max_length: int = 256,
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
    progress : bool
        Show a progress bar.

    Returns
    -------
    numpy.ndarray
        Shape ``(len(texts), hidden_size)``, in the order of `texts`.

    Raises
    ------
    ValueError
        If `texts` is one string, or empty.
    """
    if isinstance(texts, str) or not len(texts):
        raise ValueError(f"embed needs a list of texts with at least one text, got {texts!r}")
    model.eval()
    texts = list(texts)
    shortest_first = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    vectors = np.empty((len(texts), model.config.hidden_size), dtype=np.float32)
    starts = range(0, len(texts), batch_size)
    for start in progress_bar(starts, desc="embed", unit="batch", show=progress):
        rows = shortest_first[start : start + batch_size]
        batch = tokenizer(
            [texts[i] for i in rows],
            padding=True,
            truncation=True,
            max_length=max_length,
            return_tensors="pt",
        ).to(model.device)
        hidden = model(**batch).last_hidden_state  # (B, T, C)
        vectors[rows] = pool(hidden, batch["attention_mask"], pooling).float().cpu().numpy()
    return vectors
