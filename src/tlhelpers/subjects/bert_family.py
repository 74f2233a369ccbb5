"""The encoders that grew out of BERT: what they hold, what they compute, which fits a constraint.

Operations agree with PyTorch's counter, as the tests show. Papers: Devlin et al. 2019,
https://arxiv.org/abs/1810.04805; Sanh et al. 2019, https://arxiv.org/abs/1910.01108; He et al.
2021, https://arxiv.org/abs/2006.03654; Warner et al. 2024, https://arxiv.org/abs/2412.13663.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel

from tlhelpers.pretrained.models import count_parameters, meta_model
from tlhelpers.pretrained.published import configuration

FAMILY = {
    "BERT-base": "google-bert/bert-base-uncased",
    "RoBERTa-base": "FacebookAI/roberta-base",
    "DistilBERT": "distilbert/distilbert-base-uncased",
    "DeBERTa-v3-base": "microsoft/deberta-v3-base",
    "BERT-large": "google-bert/bert-large-uncased",
    "XLM-RoBERTa-base": "FacebookAI/xlm-roberta-base",
    "ModernBERT-base": "answerdotai/ModernBERT-base",
}
POOLED = ("bert", "roberta", "xlm-roberta")
RESERVED_POSITIONS = {"roberta": 2, "xlm-roberta": 2}  # rows of the table that no token gets

# --------------------------------------------------------------------------------------------
# Counted
# --------------------------------------------------------------------------------------------


def counts() -> pd.DataFrame:
    """Count the parameters of the seven from their published configurations.

    Returns
    -------
    DataFrame
        A row a model: its ``parameters`` without a head; the rows of its ``token table`` and the
        ``others``; ``layers``, ``width``, and ``tokens``, the longest text.
    """
    rows = {}
    for name, hub_id in FAMILY.items():
        model = meta_model(hub_id)
        table = count_parameters(model.get_input_embeddings())
        total = count_parameters(model)
        rows[name] = {
            "parameters": total,
            "token table": table,
            "others": total - table,
            "layers": model.config.num_hidden_layers,
            "width": model.config.hidden_size,
            "tokens": longest_text(model.config),
        }
    return pd.DataFrame(rows).T.rename_axis("model")


def longest_text(config: PreTrainedConfig) -> int:
    """Return how many tokens a model takes at once.

    Parameters
    ----------
    config : transformers.PreTrainedConfig
        Of one of the family.

    Returns
    -------
    int
        The rows of its position table that tokens can have: in a RoBERTa two fewer than there are.
    """
    return int(config.max_position_embeddings) - RESERVED_POSITIONS.get(config.model_type, 0)


def operations(
    config: PreTrainedConfig, length: int, batch: int = 1, *, windows: bool = False
) -> dict[str, int]:
    """Count what a pass computes, a multiplication and an addition as two.

    Parameters
    ----------
    config : transformers.PreTrainedConfig
        Of a BERT, RoBERTa, XLM-RoBERTa, DistilBERT, DeBERTa-v2 or -v3, or ModernBERT.
    length : int
        Tokens of each text.
    batch : int
        Texts.
    windows : bool
        For a ModernBERT: leave out pairs of tokens that a local layer masks. Attention that gets
        its window as a mask computes them all the same.

    Returns
    -------
    dict
        ``"weights"``, which grows with the tokens; ``"pairs"`` of tokens, which grows with the
        square of the length; ``"positions"``, the table of distances that a DeBERTa projects once
        a pass, however little it reads; ``"pooler"``, once a text. Products of matrices only:
        norms, softmax, activations and the look-up of embeddings are left out.

    Raises
    ------
    ValueError
        If the model is of another family.
    """
    # DistilBERT's configuration has these names too, for its own n_layers, dim and hidden_dim.
    kind, L, d = config.model_type, config.num_hidden_layers, config.hidden_size
    f = config.hidden_dim if kind == "distilbert" else getattr(config, "intermediate_size", 0)
    pairs = [length * length] * L
    if kind in (*POOLED, "distilbert", "deberta-v2"):
        feed_forward = 4 * d * f
    elif kind == "modernbert":
        feed_forward = 6 * d * f  # the wide layer is made twice: one half gates the other
        if windows:
            near = pairs_within(length, config.local_attention // 2)
            local = [kind == "sliding_attention" for kind in config.layer_types]
            pairs = [near if windowed else length * length for windowed in local]
    else:
        raise ValueError(
            f"the operations of a {kind!r} are not known here; there are those of "
            f"{', '.join((*POOLED, 'distilbert', 'deberta-v2', 'modernbert'))}"
        )
    found = {
        "weights": batch * length * L * (8 * d * d + feed_forward),
        "pairs": batch * 4 * d * sum(pairs),
        "positions": 0,
        "pooler": batch * 2 * d * d * (kind in POOLED),
    }
    if kind == "deberta-v2":
        distances = 2 * config.position_buckets
        found["positions"] = L * 4 * distances * d * d  # by the matrices of queries and of keys
        found["pairs"] += batch * length * L * 4 * distances * d  # a token and each distance
    return found


def pairs_within(length: int, reach: int) -> int:
    """Count the pairs of places that are no farther apart than a window reaches.

    Parameters
    ----------
    length : int
        Tokens of the text.
    reach : int
        How many tokens to each side a token sees, beside itself.

    Returns
    -------
    int
        Pairs of a token and one that it sees.
    """
    near = min(reach, length - 1)
    return length * (2 * near + 1) - near * (near + 1)


def attend_in_windows(q: Tensor, k: Tensor, v: Tensor, reach: int) -> Tensor:
    """Attend to near tokens only, and compute no pair of tokens that are far apart.

    The text is cut into blocks as long as the reach; a block is compared with itself and with its
    two neighbours, where everything lies that its tokens see.

    Parameters
    ----------
    q, k, v : Tensor of shape (B, H, T, size)
        Queries, keys and values of H heads.
    reach : int
        How many tokens to each side a token sees, beside itself; at least 1.

    Returns
    -------
    Tensor of shape (B, H, T, size)
        What attention with a mask of this window gives, up to rounding.
    """
    B, _, T, _ = q.shape
    blocks = -(-T // reach)

    def cut(x: Tensor, beside: int) -> Tensor:
        """Make rows of blocks with their neighbours: (B blocks, H, (1 + 2 beside) reach, size)."""
        margin = beside * reach
        x = torch.nn.functional.pad(x, (0, 0, margin, margin + blocks * reach - T))
        x = x.unfold(2, (1 + 2 * beside) * reach, reach).mT
        return x.transpose(1, 2).flatten(0, 1)  # as a batch, which the fast kernels take

    places = torch.arange(blocks * reach, device=q.device).view(blocks, reach, 1)
    seen = torch.arange(-reach, 2 * reach, device=q.device)
    seen = seen + places[:, :1]  # (blocks, 1, 3 reach)
    mask = ((seen - places).abs() <= reach) & (seen >= 0) & (seen < T)
    mask |= places >= T  # a place behind the text would see nothing, and give nan
    mixed = torch.nn.functional.scaled_dot_product_attention(
        cut(q, 0), cut(k, 1), cut(v, 1), attn_mask=mask.repeat(B, 1, 1)[:, None]
    )
    return mixed.unflatten(0, (B, blocks)).transpose(1, 2).flatten(2, 3)[:, :, :T]


# --------------------------------------------------------------------------------------------
# Timed
# --------------------------------------------------------------------------------------------


def random_model(name: str, seed: int = 0, **changes: object) -> PreTrainedModel:
    """Build one of the family at its true size, with random weights: it serves for speed only.

    Parameters
    ----------
    name : str
        A key of `FAMILY`.
    seed : int
        Seed of the weights; the random state outside is left as it was.
    **changes : object
        Settings of the configuration to replace.

    Returns
    -------
    transformers.PreTrainedModel
        In float32, on the processor, without dropout.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: PreTrainedModel = AutoModel.from_config(
            configuration(FAMILY[name], **changes), dtype=torch.float32
        )
    return model.eval()


def forward_pass(
    model: PreTrainedModel, length: int, batch: int = 1, seed: int = 0
) -> Callable[[], None]:
    """Prepare a pass over random tokens.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        One of the family.
    length : int
        Tokens of each text; no padding.
    batch : int
        Texts.
    seed : int
        Seed of the tokens.

    Returns
    -------
    callable
        Runs the pass; gives nothing back.
    """
    generator = torch.Generator().manual_seed(seed)
    # Above the special tokens of each tokenizer, below the smallest vocabulary.
    ids = torch.randint(1_000, 28_000, (batch, length), generator=generator).to(model.device)

    @torch.inference_mode()
    def run() -> None:
        model(input_ids=ids)

    return run


def time_in_turns(
    passes: Sequence[Callable[[], object]], repeats: int, warm_up: int = 1
) -> list[float]:
    """Time several things in turns, so that what slows the machine for a while slows all of them.

    Parameters
    ----------
    passes : sequence of callable
        What to time.
    repeats : int
        How often each is timed.
    warm_up : int
        How often each is run before; the first run makes room in memory.

    Returns
    -------
    list of float
        The median of each, in seconds.
    """
    seconds: list[list[float]] = [[] for _ in passes]
    for turn in range(warm_up + repeats):
        for run, kept in zip(passes, seconds, strict=True):
            begun = time.perf_counter()
            run()
            if torch.cuda.is_initialized():
                torch.cuda.synchronize()  # a GPU computes on when the call is back
            if turn >= warm_up:
                kept.append(time.perf_counter() - begun)
    return [statistics.median(kept) for kept in seconds]


# --------------------------------------------------------------------------------------------
# Chosen
# --------------------------------------------------------------------------------------------


def pick(
    evidence: pd.DataFrame,
    limits: Mapping[str, tuple[str, float]],
    best: str,
) -> pd.DataFrame:
    """Say which models keep to some limits, and by what the others break them.

    Parameters
    ----------
    evidence : DataFrame
        A row a model, a column a property.
    limits : mapping of str to (str, float)
        For a column ``"at most"`` or ``"at least"``, and how much. A property that is missing
        breaks its limit: what was not measured is not promised.
    best : str
        The column by which those that fit are ordered, most first; a model without it comes after
        those that have it.

    Returns
    -------
    DataFrame
        The evidence, with the first column ``answer``: ``"fits"``, or the columns whose limits the
        model breaks. Those that fit come first.

    Raises
    ------
    ValueError
        If a column is not there, or a limit is neither of the two.

    Examples
    --------
    >>> evidence = pd.DataFrame({"ms": [9.0, 4.0], "score": [85, 82]}, index=["large", "small"])
    >>> list(pick(evidence, {"ms": ("at most", 5)}, best="score").answer)
    ['fits', 'ms']
    """
    broken = pd.DataFrame(False, evidence.index, list(limits))
    for column, (kind, limit) in limits.items():
        if column not in evidence or kind not in ("at most", "at least"):
            raise ValueError(
                f"the limit {column!r}: ({kind!r}, {limit}) cannot be checked: say 'at most' or "
                f"'at least' of one of {list(evidence.columns)}"
            )
        values = evidence[column]
        broken[column] = ~(values <= limit if kind == "at most" else values >= limit)
    answer = broken.apply(lambda row: ", ".join(row.index[row]) or "fits", axis=1)
    found = evidence.copy()
    found.insert(0, "answer", answer)
    order = found.assign(breaks=broken.sum(axis=1)).sort_values(
        ["breaks", best], ascending=[True, False], kind="stable"
    )
    return found.loc[order.index]
