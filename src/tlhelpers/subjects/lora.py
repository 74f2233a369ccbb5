"""Low-rank updates: what training changed, how much of it is low-rank, and what LoRA trains.

Training itself is `peft`'s and `tlhelpers.training.fit`'s. What is here looks at weight matrices:
the update that training made and its best low-rank approximation, the counts of LoRA's factors in a
model of any size, and the 4-bit rounding of QLoRA. Formulas: Hu et al. 2021,
https://arxiv.org/abs/2106.09685.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from tlhelpers.training.layers import layer_groups

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel

# --------------------------------------------------------------------------------------------
# The update that training made
# --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Update:
    """What training did to one weight matrix, as a singular value decomposition.

    Attributes
    ----------
    start : Tensor of shape (d_out, d_in)
        The matrix before training.
    left, values, right : Tensor of shape (d_out, k), (k,), (k, d_in)
        The difference is ``left @ diag(values) @ right``, k the smaller of the two widths, the
        values from the largest down.
    """

    start: Tensor
    left: Tensor
    values: Tensor
    right: Tensor

    @classmethod
    def between(cls, start: Tensor, end: Tensor) -> Update:
        """Decompose the difference of two matrices of shape (d_out, d_in)."""
        start = start.detach().float().cpu()
        difference = end.detach().float().cpu() - start
        return cls(start, *torch.linalg.svd(difference, full_matrices=False))

    def share(self, rank: int) -> float:
        """Give the share of the squared norm that lies in the first singular values, 0 to 1."""
        energy = self.values.double().square()
        return float(energy[:rank].sum() / energy.sum()) if energy.any() else 1.0

    def truncated(self, rank: int) -> Tensor:
        """Give the matrix with the update cut to a rank: no other is as near (Eckart, Young 1936).

        Parameters
        ----------
        rank : int
            How many directions to keep, from the largest singular value down: 0 gives the matrix
            before training, k or more the one after it. A negative number leaves so many out and
            keeps the rest.

        Returns
        -------
        Tensor of shape (d_out, d_in)
            ``start`` and what is kept of the difference.
        """
        return self.start + self.part(rank)

    def part(self, rank: int) -> Tensor:
        """Give what :meth:`truncated` keeps of the difference, of shape (d_out, d_in)."""
        kept = slice(rank) if rank >= 0 else slice(-rank, None)
        return self.left[:, kept] * self.values[kept] @ self.right[kept]

    def cosine(self, other: Update, rank: int) -> float:
        """Compare a part of this update with the same part of another: 1 one direction, 0 none.

        Parameters
        ----------
        other : Update
            Of a matrix of the same shape.
        rank : int
            Which part, as for :meth:`truncated`.

        Returns
        -------
        float
            The cosine of the two matrices, read as long vectors. If both are the sum of something
            that they share and of independent noise as long in one as in the other, it is about
            the share of the squared norm that is not noise.
        """
        ours, theirs = self.part(rank), other.part(rank)
        return float((ours * theirs).sum() / (ours.norm() * theirs.norm()))


def weights(model: nn.Module) -> dict[str, Tensor]:
    """Copy the weight matrices of a model's layers: attention and feed-forward, no head.

    Parameters
    ----------
    model : nn.Module
        Any model of transformers.

    Returns
    -------
    dict
        The module's name and its matrix, of shape (d_out, d_in), on the CPU. GPT-2's ``Conv1D``
        stores its matrices the other way round; they are turned.
    """
    return {name: _matrix(module).cpu().clone() for name, module in _linear_layers(model).items()}


def updates(before: Mapping[str, Tensor], model: nn.Module) -> dict[str, Update]:
    """Decompose what training did to each weight matrix.

    Parameters
    ----------
    before : mapping
        What :func:`weights` returned before the training.
    model : nn.Module
        The same model after it.

    Returns
    -------
    dict
        The module's name and its update.

    Raises
    ------
    ValueError
        If the model has other matrices now, for example because LoRA was added and not merged.
    """
    after = {name: _matrix(module) for name, module in _linear_layers(model).items()}
    if after.keys() != before.keys():
        odd = sorted(after.keys() ^ before.keys())
        raise ValueError(
            f"the model has other matrices than before, such as {odd[0]}: compare a model with "
            "itself, and merge an adapter first"
        )
    return {name: Update.between(before[name], after[name]) for name in before}


@contextmanager
def replaced(model: nn.Module, matrices: Mapping[str, Tensor]) -> Iterator[nn.Module]:
    """Put other weight matrices into a model, and its own back afterwards.

    What else was trained (biases, norms, embeddings, the head) stays as it is.

    Parameters
    ----------
    model : nn.Module
        Changed until the ``with`` block ends.
    matrices : mapping
        Matrices of shape (d_out, d_in) by their module's name, as :func:`weights` gives them.
    """
    layers = _linear_layers(model)
    own = {name: layers[name].weight.detach().clone() for name in matrices}
    try:
        with torch.no_grad():
            for name, matrix in matrices.items():
                _matrix(layers[name]).copy_(matrix)
        yield model
    finally:
        with torch.no_grad():
            for name, weight in own.items():
                layers[name].weight.copy_(weight)


def truncated(
    model: nn.Module, updates: Mapping[str, Update], rank: int
) -> AbstractContextManager[nn.Module]:
    """Cut every matrix's update to a rank, and put the whole updates back afterwards.

    Parameters
    ----------
    model : nn.Module
        The trained model; changed until the ``with`` block ends.
    updates : mapping
        From :func:`updates`.
    rank : int
        As for :meth:`Update.truncated`; 0 takes the update out.

    Returns
    -------
    context manager
        The model is whole again after its ``with`` block.
    """
    return replaced(model, {name: update.truncated(rank) for name, update in updates.items()})


def random_like(update: Update, seed: int = 0) -> Update:
    """Make an update of the same shape and norm in which every direction is as likely.

    Its entries are independent normal numbers: the update that knows no direction.

    Parameters
    ----------
    update : Update
        Whose shape and Frobenius norm to take.
    seed : int
        Of the normal numbers.

    Returns
    -------
    Update
        From the same start.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(update.start.shape, generator=generator)
    noise *= update.values.norm() / noise.norm()
    return Update.between(update.start, update.start + noise)


def energy_shares(updates: Mapping[str, Update], ranks: Sequence[int]) -> pd.DataFrame:
    """Tell how much of each update its first directions hold.

    Parameters
    ----------
    updates : mapping
        From :func:`updates`.
    ranks : sequence of int
        How many directions, from the largest singular value down.

    Returns
    -------
    DataFrame
        One row a matrix, one column a rank: share of the squared Frobenius norm, 0 to 1.
    """
    rows = {name: [update.share(rank) for rank in ranks] for name, update in updates.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=pd.Index(ranks, name="rank"))


def spectra(kinds: Mapping[str, Mapping[str, Update]], ranks: Sequence[int]) -> pd.DataFrame:
    """Put the shares of several kinds of updates side by side, to be drawn.

    Parameters
    ----------
    kinds : mapping
        Updates by what they are called in the figure.
    ranks : sequence of int
        As for :func:`energy_shares`.

    Returns
    -------
    DataFrame
        Columns ``kind``, ``rank`` and ``share``, 0 to 1: one row for each matrix and rank.
    """
    shares = {kind: energy_shares(updates, ranks) for kind, updates in kinds.items()}
    long = pd.concat(shares, names=["kind", "matrix"]).stack().rename("share").reset_index()
    return long.drop(columns="matrix")


def _linear_layers(model: nn.Module) -> dict[str, Any]:
    """Name the linear modules inside the model's layers."""
    groups = layer_groups(model)
    inside = {
        name for group, names in groups.items() if group.startswith("layer") for name in names
    }
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and f"{name}.weight" in inside
    }


def _matrix(module: Any) -> Tensor:  # noqa: ANN401 - a linear module
    """Give a linear module's weight as (d_out, d_in): a view, not a copy."""
    weight: Tensor = module.weight.detach()
    return weight.T if isinstance(module, Conv1D) else weight


# --------------------------------------------------------------------------------------------
# The low-rank update that LoRA trains
# --------------------------------------------------------------------------------------------


def scaling(rank: int, alpha: float, rank_stabilised: bool = False) -> float:
    """Give the factor before B A x.

    Parameters
    ----------
    rank, alpha : int, float
        The rank r and LoRA's alpha.
    rank_stabilised : bool
        Divide by the root of the rank.

    Returns
    -------
    float
        ``alpha / rank`` (Hu et al. 2021, section 4.1), or ``alpha / sqrt(rank)`` (Kalajdzievski
        2023, https://arxiv.org/abs/2312.03732).

    Raises
    ------
    ValueError
        If the rank is below 1.
    """
    if rank < 1:
        raise ValueError(f"rank={rank} must be at least 1")
    return alpha / (math.sqrt(rank) if rank_stabilised else rank)


def small_run(alpha: float, rate_of_B: float, rate_of_A: float = 0.01, steps: int = 100) -> float:
    """Train the factors of one small layer with Adam, to see what alpha does.

    Parameters
    ----------
    alpha : float
        The factor before B A is ``alpha / 4``: the rank is 4.
    rate_of_B, rate_of_A : float
        Learning rate of each factor.
    steps : int
        Updates.

    Returns
    -------
    float
        The mean squared error that is left on a random linear task, 24 numbers in and 16 out; in
        double precision, as the point is which settings agree.
    """
    generator = torch.Generator().manual_seed(0)
    goal, x, start = (
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((16, 24), (256, 24), (4, 24))
    )
    A = (start / 24**0.5).requires_grad_()
    B = torch.zeros(16, 4, dtype=torch.float64, requires_grad=True)
    # Adam divides by the gradient's size; eps, meant for tiny gradients, blurs that.
    adam = torch.optim.Adam(
        [{"params": A, "lr": rate_of_A}, {"params": B, "lr": rate_of_B}], eps=1e-12
    )
    for _ in range(steps):
        adam.zero_grad()
        loss = (x @ (scaling(4, alpha) * B @ A - goal).T).square().mean()
        loss.backward()
        adam.step()
    return loss.item()


def dora_weight(
    weight: Tensor, A: Tensor, B: Tensor, magnitude: Tensor, scaling: float = 1.0
) -> Tensor:
    """Give the weight of a DoRA layer: a direction from LoRA, a length of its own for each row.

    Parameters
    ----------
    weight, A, B : Tensor of shape (d_out, d_in), (r, d_in), (d_out, r)
        The frozen matrix and the factors.
    magnitude : Tensor of shape (d_out,)
        The length of each row: of the frozen matrix's at the start, then trained.
    scaling : float
        From :func:`scaling`.

    Returns
    -------
    Tensor of shape (d_out, d_in)
        Liu et al. 2024, https://arxiv.org/abs/2402.09353, equation 5. The paper writes weights as
        (d_in, d_out) and speaks of columns.
    """
    direction = weight + scaling * B @ A
    return magnitude[:, None] * direction / direction.norm(dim=1, keepdim=True)


def adapt(model: nn.Module, config: LoraConfig, seed: int | None = None) -> PeftModel:
    """Put LoRA's factors into a model: ``peft.get_peft_model``, repeatable and without a warning.

    Parameters
    ----------
    model : nn.Module
        Changed in place: its weights are frozen.
    config : LoraConfig
        Rank, alpha, target modules, ...
    seed : int, optional
        Of the random factor A; the present random state if not given.

    Returns
    -------
    PeftModel
        Of which ``tl.fit`` trains the factors, and the head if ``task_type`` is ``"SEQ_CLS"``.
    """
    from peft import get_peft_model

    with torch.random.fork_rng(devices=[], enabled=seed is not None), warnings.catch_warnings():
        if seed is not None:
            torch.manual_seed(seed)
        # peft 0.21 asks transformers 5.23 by the old name.
        warnings.filterwarnings(
            "ignore", message=".is_gradient_checkpointing", category=FutureWarning
        )
        adapted: Any = get_peft_model(model, config)  # type: ignore[arg-type]
    return adapted  # type: ignore[no-any-return]


# --------------------------------------------------------------------------------------------
# Counts
# --------------------------------------------------------------------------------------------

# What "query and value" and the like are called in each family of transformers.
_BERT = {
    "query and value": ("query", "value"),
    "attention": ("query", "key", "value", "attention.output.dense"),
    "all linear": ("query", "key", "value", "output.dense", "intermediate.dense"),
}
_LLAMA = {
    "query and value": ("q_proj", "v_proj"),
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "all linear": (
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"
    ),
}  # fmt: skip
TARGETS: dict[str, dict[str, tuple[str, ...]]] = {
    "bert": _BERT,
    "roberta": _BERT,
    # GPT-2 keeps query, key and value in one matrix: adapting one of them adapts all three.
    "gpt2": {
        "query and value": ("c_attn",),
        "attention": ("c_attn", "attn.c_proj"),
        "all linear": ("c_attn", "c_proj", "c_fc"),
    },
    "llama": _LLAMA,
    "mistral": _LLAMA,
}
# Adam in mixed precision keeps, for each trained parameter: the weight and its gradient in 16
# bits, and a copy, a momentum and a variance in 32 bits (Rajbhandari et al. 2020, section 3.1,
# https://arxiv.org/abs/1910.02054).
BYTES_TRAINED = 2 + 2 + 4 + 4 + 4


def lora_shapes(model: nn.Module, targets: str | Iterable[str]) -> pd.DataFrame:
    """List the matrices that LoRA would adapt.

    Parameters
    ----------
    model : nn.Module
        Any model, also one of :func:`tlhelpers.meta_model`.
    targets : str or iterable of str
        A key of ``TARGETS[family]``, or ends of module names, as ``target_modules`` of ``peft``.

    Returns
    -------
    DataFrame
        Columns ``module`` (the end of its name), ``d_out``, ``d_in``, ``matrices`` (how many of
        that shape the model has).

    Raises
    ------
    ValueError
        If no linear module has such a name.
    """
    family = getattr(getattr(model, "config", None), "model_type", "")
    if isinstance(targets, str):
        targets = TARGETS.get(family, {}).get(targets, (targets,))
    ends = tuple(targets)
    rows = [
        (name.rpartition(".")[2], *_matrix(module).shape)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D)
        and any(name == end or name.endswith(f".{end}") for end in ends)
    ]
    if not rows:
        linear = {name.rpartition(".")[2] for name in _linear_layers(model)}
        raise ValueError(
            f"no linear module ends in {' or '.join(ends)}: there are {sorted(linear)}"
        )
    shapes = pd.DataFrame(rows, columns=["module", "d_out", "d_in"])
    return shapes.value_counts(sort=False).rename("matrices").reset_index()


def lora_parameters(
    model: nn.Module, rank: int, targets: str | Iterable[str], dora: bool = False
) -> int:
    """Count the parameters that LoRA adds to a model.

    Parameters
    ----------
    model : nn.Module
        Any model.
    rank : int
        The rank r.
    targets : str or iterable of str
        As for :func:`lora_shapes`.
    dora : bool
        Count DoRA's lengths too, ``d_out`` a matrix.

    Returns
    -------
    int
        ``r * (d_in + d_out)`` for each adapted matrix (Hu et al. 2021, section 4.1); the head of a
        classifier, which is trained as well, is not counted.
    """
    return _parameters(lora_shapes(model, targets), rank, dora)


def _parameters(shapes: pd.DataFrame, rank: int, dora: bool = False) -> int:
    each = rank * (shapes.d_in + shapes.d_out) + dora * shapes.d_out
    return int((each * shapes.matrices).sum())


def training_gigabytes(total: int, trained: int, frozen_bits: float = 16) -> float:
    """Give the memory of weights, gradients and Adam's states, without activations.

    Parameters
    ----------
    total : int
        Parameters of the pretrained model.
    trained : int
        Parameters that are trained beside them; equal to `total` for full fine-tuning.
    frozen_bits : float
        Bits of a weight that is not trained.

    Returns
    -------
    float
        In units of 10^9 bytes.
    """
    if trained == total:
        return total * BYTES_TRAINED / 1e9
    return (total * frozen_bits / 8 + trained * BYTES_TRAINED) / 1e9


def published(hub_id: str) -> nn.Module:
    """Give a published model on the meta device, where shapes take no memory; see `meta_model`."""
    from tlhelpers.pretrained.models import meta_model
    from tlhelpers.pretrained.published import configuration

    decoder = configuration(hub_id).model_type in ("gpt2", "llama", "mistral")
    return meta_model(hub_id, task="causal" if decoder else None)


@lru_cache(maxsize=64)
def _published_shapes(hub_id: str, targets: str) -> tuple[int, pd.DataFrame]:
    model = published(hub_id)
    return sum(p.numel() for p in model.parameters()), lora_shapes(model, targets)


def bill(hub_id: str, rank: int, targets: str) -> pd.DataFrame:
    """Say what LoRA would train in a published model, and what that takes.

    Parameters
    ----------
    hub_id : str
        One of `tlhelpers.pretrained.published.hub_ids`.
    rank : int
        The rank r.
    targets : str
        As for :func:`lora_shapes`.

    Returns
    -------
    DataFrame
        Two columns of text, for :func:`tlhelpers.table`.
    """
    total, shapes = _published_shapes(hub_id, targets)
    trained = _parameters(shapes, rank)
    names = ", ".join(dict.fromkeys(shapes.module))
    memory = {bits: training_gigabytes(total, trained, bits) for bits in (16, 4)}
    lines = {
        "matrices adapted": f"{shapes.matrices.sum()} ({names})",
        "parameters trained": f"{trained:,}",
        "share of the model": f"{trained / total:.3%} of {total:,}",
        "adapter file, 16 bits": f"{2 * trained / 1e6:,.1f} MB",
        "training, frozen weights in 16 bits": f"{memory[16]:,.1f} GB",
        "training, frozen weights in 4 bits": f"{memory[4]:,.1f} GB",
        "training all weights": f"{training_gigabytes(total, total):,.1f} GB",
    }
    return pd.DataFrame(lines.items(), columns=["what", "how much"])


# --------------------------------------------------------------------------------------------
# Four bits
# --------------------------------------------------------------------------------------------


def nf4_levels() -> Tensor:
    """Give the 16 levels of NormalFloat: equally likely bins of a normal number, zero among them.

    Returns
    -------
    Tensor of shape (16,)
        From -1 to 1. Quantiles of the standard normal distribution, eight for the positive side
        and seven for the negative, and an exact zero (Dettmers et al. 2023, section 3 and appendix
        E, https://arxiv.org/abs/2305.14314). The outermost is at ``1 - (1/32 + 1/30) / 2``.
    """
    outermost = 1 - (1 / 32 + 1 / 30) / 2
    normal = torch.distributions.Normal(torch.tensor(0.0, dtype=torch.float64), 1.0)

    def side(levels: int) -> Tensor:
        return normal.icdf(torch.linspace(outermost, 0.5, levels + 1, dtype=torch.float64)[:-1])

    levels = torch.cat([-side(7), torch.zeros(1, dtype=torch.float64), side(8).flip(0)])
    return (levels / levels.max()).float()


def uniform_levels(bits: int = 4) -> Tensor:
    """Give equally spaced levels from -1 to 1, zero among them.

    Parameters
    ----------
    bits : int
        Bits of a stored number.

    Returns
    -------
    Tensor of shape (2 ** bits - 1,)
        As a signed integer divided by its largest value: one code is left unused, or zero would
        not be a level.
    """
    largest = 2 ** (bits - 1) - 1
    return torch.arange(-largest, largest + 1) / largest


def round_to_levels(weight: Tensor, levels: Tensor, block_size: int = 64) -> Tensor:
    """Round a matrix block by block, as 4-bit storage does.

    Parameters
    ----------
    weight : Tensor of any shape
        Its size must be a multiple of `block_size`.
    levels : Tensor of shape (n,)
        From -1 to 1, in order.
    block_size : int
        Numbers that share one scale, the largest absolute value among them.

    Returns
    -------
    Tensor
        Of the shape of `weight`: what is read back.

    Raises
    ------
    ValueError
        If the size is no multiple of `block_size`.
    """
    if weight.numel() % block_size:
        raise ValueError(
            f"{weight.numel()} numbers do not divide into blocks of {block_size}: choose another"
        )
    blocks = weight.detach().reshape(-1, block_size)
    scale = blocks.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(blocks.dtype).tiny)
    levels = levels.to(blocks)
    between = (levels[:-1] + levels[1:]) / 2
    return (levels[torch.bucketize(blocks / scale, between)] * scale).reshape(weight.shape)
