"""What BERT computes, by hand; what it is made of, by formula; what its attention looks like.

Everything here agrees with transformers' ``BertModel``, as the tests show. Formulas: Vaswani et al.
2017, https://arxiv.org/abs/1706.03762; Devlin et al. 2019, https://arxiv.org/abs/1810.04805.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from matplotlib.patches import FancyBboxPatch
from numpy.typing import ArrayLike
from torch import Tensor
from transformers import BertModel, PreTrainedConfig, PreTrainedTokenizerBase

from tlhelpers.pretrained.models import Task, count_parameters, meta_model
from tlhelpers.pretrained.published import configuration
from tlhelpers.visuals.figure import COLOURS, Picture, axes
from tlhelpers.visuals.html import Html

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from transformers.models.bert.modeling_bert import BertLayer

# --------------------------------------------------------------------------------------------
# By hand
# --------------------------------------------------------------------------------------------


def layer(x: Tensor, weights: BertLayer, mask: Tensor) -> Tensor:
    """Compute one encoder layer: attention, then a feed-forward network, each added and normed.

    Parameters
    ----------
    x : Tensor of shape (B, T, C)
        The vectors that enter the layer.
    weights : transformers.models.bert.modeling_bert.BertLayer
        The layer whose weights are used; dropout is left out.
    mask : Tensor of shape (B, T)
        1 where there is a token, 0 where there is padding, which no token looks at.

    Returns
    -------
    Tensor of shape (B, T, C)
        The vectors that leave it.
    """
    own, out = weights.attention.self, weights.attention.output
    B, T, C = x.shape
    H = own.num_attention_heads
    q, k, v = (
        linear(x).view(B, T, H, C // H).transpose(1, 2)  # (B, H, T, C / H)
        for linear in (own.query, own.key, own.value)
    )
    scores = q @ k.transpose(-2, -1) / math.sqrt(C // H)  # (B, H, T, T)
    scores = scores.masked_fill(mask[:, None, None, :] == 0, -math.inf)
    mixed = (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(B, T, C)
    x = out.LayerNorm(x + out.dense(mixed))
    wide = torch.nn.functional.gelu(weights.intermediate.dense(x))  # (B, T, 4 C)
    result: Tensor = weights.output.LayerNorm(x + weights.output.dense(wide))
    return result


def difference(ours: Tensor, theirs: Tensor) -> float:
    """Compare two results that differ by rounding at most.

    Parameters
    ----------
    ours, theirs : Tensor
        Of one shape.

    Returns
    -------
    float
        The largest difference between two numbers, as a share of the largest of ``theirs``:
        processors add in different orders, and what they lose grows with the numbers added.
    """
    return float((ours - theirs).abs().max() / theirs.abs().max())


# --------------------------------------------------------------------------------------------
# By formula
# --------------------------------------------------------------------------------------------


def parameters(config: PreTrainedConfig) -> dict[str, int]:
    """Count the parameters of a BERT without a head, from six numbers of its configuration.

    Parameters
    ----------
    config : transformers.PreTrainedConfig
        Of a BERT of any size.

    Returns
    -------
    dict
        The part of the model and its parameters; together they are all.
    """
    d, L, f = config.hidden_size, config.num_hidden_layers, config.intermediate_size
    rows = config.vocab_size + config.max_position_embeddings + config.type_vocab_size
    return {
        "embeddings": rows * d,
        "attention": L * 4 * (d * d + d),
        "feed-forward": L * (2 * d * f + f + d),
        "layer norms": (2 * L + 1) * 2 * d,
        "pooler": d * d + d,
    }


def operations(config: PreTrainedConfig, length: int) -> dict[str, int]:
    """Count what the layers compute for each token, a multiplication and an addition as two.

    Parameters
    ----------
    config : transformers.PreTrainedConfig
        Of a BERT of any size.
    length : int
        Tokens of the text.

    Returns
    -------
    dict
        The part of the layers and its operations a token: products of matrices, which are nearly
        everything; norms, softmax and activations are left out.
    """
    d, L, f = config.hidden_size, config.num_hidden_layers, config.intermediate_size
    return {
        "feed-forward": L * 4 * d * f,
        "attention: matrices": L * 8 * d * d,
        "attention: token by token": L * 4 * length * d,
    }


HEADS: dict[str, tuple[Task, int | None]] = {
    "classify a text": ("classification", 2),
    "label each token": ("tokens", 9),
    "find a span": ("question-answering", None),
    "guess hidden words": ("mlm", None),
}


def heads(hub_id: str) -> pd.DataFrame:
    """List what can be put on top of a BERT.

    Parameters
    ----------
    hub_id : str
        One of `tlhelpers.pretrained.published.hub_ids`; nothing is fetched.

    Returns
    -------
    DataFrame
        For each head the logits that it gives for a text of T tokens, and the parameters that it
        adds to embeddings and layers. The pooler is part of the head that needs it.
    """
    count = parameters(configuration(hub_id))
    body = sum(count.values()) - count["pooler"]
    rows = {}
    for name, (task, labels) in HEADS.items():
        model = meta_model(hub_id, task=task, labels=labels)
        wide = model.config.vocab_size if task == "mlm" else model.config.num_labels
        rows[name] = {
            "logits": f"{wide}" if task == "classification" else f"T × {wide:,}",
            "parameters": count_parameters(model) - body,
        }
    return pd.DataFrame(rows).T.rename_axis("to").astype({"parameters": int})


# --------------------------------------------------------------------------------------------
# Attention, looked at
# --------------------------------------------------------------------------------------------


@torch.no_grad()
def hidden_one_by_one(
    model: BertModel, tokenizer: PreTrainedTokenizerBase, text: str
) -> pd.DataFrame:
    """Compare the attention that each token receives with what hiding it changes.

    A token is hidden by the attention mask: no token looks at it, and all keep their positions.

    Parameters
    ----------
    model : transformers.BertModel
        With ``attn_implementation="eager"``, which keeps the weights of attention.
    tokenizer : PreTrainedTokenizerBase
        The model's own.
    text : str
        One sentence of two words or more.

    Returns
    -------
    DataFrame
        A row a token: ``token``; ``attention``, the mean share that all tokens give it in all
        heads of all layers; ``effect``, one minus the cosine similarity of the words' mean vector
        before and after, without the hidden one itself and without [CLS] and [SEP].
    """
    ids = tokenizer(text, return_tensors="pt")["input_ids"].to(model.device)
    T = ids.shape[1]
    seen = model(ids, output_attentions=True)
    received = torch.stack(seen.attentions).mean(dim=(0, 1, 2, 3))  # (T,)
    mask = 1 - torch.eye(T, dtype=torch.long, device=ids.device)
    hidden = model(ids.expand(T, -1), mask).last_hidden_state
    words = mask.clone().float()
    words[:, [0, -1]] = 0
    words /= words.sum(dim=1, keepdim=True)
    before = words @ seen.last_hidden_state[0]  # (T, C)
    after = (words[:, None] @ hidden)[:, 0]
    effect = 1 - torch.nn.functional.cosine_similarity(before, after)
    tokens = tokenizer.convert_ids_to_tokens(ids[0])
    columns = {"token": tokens, "attention": received.cpu(), "effect": effect.cpu()}
    return pd.DataFrame(columns)


SHADES = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.01)
ROW, LEFT, RIGHT = 22, 92, 228  # pixels: height of a row, where the lines begin and end


def attention_lines(tokens: Sequence[str], weights: ArrayLike) -> Html:
    """Draw which token looks at which, as lines between two columns of the same tokens.

    Parameters
    ----------
    tokens : sequence of str, T long
        The tokens of a sentence.
    weights : array of shape (T, T)
        How much each token (row) looks at each (column); rows sum to one.

    Returns
    -------
    Html
        A drawing of one or two kB, of which a page bears hundreds. Weights below 0.05 are left
        out; the text alternative names what each token looks at most.

    Raises
    ------
    ValueError
        If the two do not belong together.
    """
    shares = np.asarray(weights, dtype=float)
    T = len(tokens)
    if shares.shape != (T, T):
        raise ValueError(f"{T} tokens have {T} x {T} weights, not {shares.shape}")
    lines = []
    for low, high in pairwise(SHADES):
        drawn = "".join(
            f"M{LEFT} {_middle(i)}L{RIGHT} {_middle(j)}"
            for i, j in np.argwhere((shares >= low) & (shares < high)).tolist()
        )
        if drawn:
            lines.append(
                f'<path d="{drawn}" opacity="{high:.2g}" stroke-width="{1 + 4 * low:.2g}"/>'
            )
    words = "".join(
        f'<text x="{x}" y="{_middle(i) + 4}"{anchor}>{escape(token)}</text>'
        for x, anchor in ((LEFT - 6, ' text-anchor="end"'), (RIGHT + 6, ""))
        for i, token in enumerate(tokens)
    )
    most = shares.argmax(axis=1)
    said = "; ".join(
        f"{token} at {tokens[j]} {shares[i, j]:.0%}"
        for i, (token, j) in enumerate(zip(tokens, most, strict=True))
    )
    size = f"0 0 {LEFT + RIGHT} {ROW * T}"
    body = (
        f'<svg viewBox="{size}" role="img" aria-label="{escape(f"Looks most: {said}.")}" '
        f'style="max-width:26rem;min-width:0" font-size="14">'
        f'<g stroke="var(--tl-blue)">{"".join(lines)}</g>{words}</svg>'
    )
    return Html(body, said)


def _middle(row: int) -> int:
    return ROW * row + ROW // 2


# --------------------------------------------------------------------------------------------
# The drawing of the whole
# --------------------------------------------------------------------------------------------


def diagram(config: PreTrainedConfig) -> Picture:
    """Draw a BERT from ids at the bottom to logits on top, with the parameters of each part.

    Parameters
    ----------
    config : transformers.PreTrainedConfig
        Of a BERT of any size.

    Returns
    -------
    Picture
        The drawing; its text alternative says the same.
    """
    d, L, f = config.hidden_size, config.num_hidden_layers, config.intermediate_size
    H, count = config.num_attention_heads, parameters(config)
    figure, ax = axes("From ids to logits", "", "", height=7.6, grid="")
    ax.set_axis_off()
    ax.set_xlim(0, 10)
    ax.set_ylim(-0.2, 16.2)
    ids, token, attend, forward, norm, head = (COLOURS[i] for i in (5, 2, 0, 1, 5, 3))

    _box(ax, (0.2, 0.0, 9.6, 0.9), "T ids, one a token", ids)
    rows = {"token": config.vocab_size, "position": config.max_position_embeddings}
    rows["segment"] = config.type_vocab_size
    for i, (name, count_of) in enumerate(rows.items()):
        _box(ax, (0.2 + 3.3 * i, 1.6, 3.0, 1.3), f"{name}\n{count_of:,} × {d}", token)
        if i:
            ax.text(3.3 * i + 0.05, 2.25, "+", ha="center", va="center")
    _box(ax, (0.2, 3.5, 9.6, 0.8), "layer norm", norm)

    ax.add_patch(_frame((0.0, 4.75, 10.0, 6.1), COLOURS[5]))
    ax.text(9.5, 10.4, f"{L} such layers", ha="right", va="center", weight="bold")
    millions = {name: f"{value / L / 1e6:.2f} M" for name, value in count.items()}
    steps = [
        (f"attention, {H} heads\n{millions['attention']} parameters", attend, 1.15),
        ("add, layer norm", norm, 0.7),
        (f"feed-forward, {f:,} wide\n{millions['feed-forward']} parameters", forward, 1.15),
        ("add, layer norm", norm, 0.7),
    ]
    bottom = below = 5.0
    for words, colour, height in steps:
        _box(ax, (1.3, bottom, 8.2, height), words, colour)
        _arrow(ax, (5.4, bottom - 0.4), (5.4, bottom))
        if colour == norm:  # what enters a step goes round it and is added to what leaves it
            start, end = below - 0.15, bottom + height / 2
            ax.plot([5.4, 0.7, 0.7], [start, start, end], color=norm, lw=1.5)
            _arrow(ax, (0.7, end), (1.3, end))
        else:
            below = bottom
        bottom += height + 0.4
    _box(ax, (0.2, 11.4, 9.6, 0.9), f"T vectors of {d} numbers", ids)
    tops = ("pooler, linear\nclassify a text", "linear\nlabel each token", "linear\nfind a span")
    for i, words in enumerate(tops):
        left = 0.2 + 3.3 * i
        _box(ax, (left, 13.0, 3.0, 1.3), words, head)
        _arrow(ax, (left + 1.5, 12.3), (left + 1.5, 13.0))
        _arrow(ax, (left + 1.5, 14.3), (left + 1.5, 15.0))
    ax.text(5.0, 15.4, "logits", ha="center", va="center", weight="bold")
    for low, high in ((0.9, 1.6), (2.9, 3.5), (4.3, 5.0), (9.9, 11.4)):
        _arrow(ax, (5.4, low), (5.4, high))
    return Picture(
        figure,
        f"From ids to logits, from the bottom up. T ids; for each a row of three tables, summed "
        f"and normed: token ({config.vocab_size:,} rows of {d} numbers), position "
        f"({config.max_position_embeddings:,}), segment ({config.type_vocab_size}). Then {L} "
        f"layers, each of attention with {H} heads ({millions['attention']} parameters) and a "
        f"feed-forward network {f:,} wide ({millions['feed-forward']}); what enters either is "
        "added to what leaves it, and the sum is normed. T vectors come out. On top stands one of "
        "three heads: pooler and linear layer classify a text, a linear layer labels each token, "
        "another finds a span.",
    )


def _frame(box: tuple[float, float, float, float], colour: str, **style: Any) -> FancyBboxPatch:  # noqa: ANN401
    x, y, width, height = box
    shape = "round,pad=0,rounding_size=0.2"
    look: dict[str, Any] = {"fill": False, "ec": colour, "lw": 1.2} | style
    return FancyBboxPatch((x, y), width, height, boxstyle=shape, **look)


def _box(ax: Axes, box: tuple[float, float, float, float], words: str, colour: str) -> None:
    ax.add_patch(_frame(box, colour, fill=True, fc=colour, alpha=0.25, lw=0))
    x, y, width, height = box
    ax.text(x + width / 2, y + height / 2, words, ha="center", va="center", linespacing=1.35)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    look = {"arrowstyle": "-|>", "color": COLOURS[5], "lw": 1.5, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops=look)
