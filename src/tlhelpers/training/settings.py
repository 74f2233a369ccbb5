"""What a training run is told and what it tells: settings, the schedule, events, the result."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
from torch import nn

from tlhelpers.device import PRECISIONS

SCHEDULES = ("linear", "constant")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train. Every field can also be given to ``fit`` by its name.

    Attributes
    ----------
    learning_rate : float
        The highest rate, reached after the warm-up; of the head, if layers have their own.
    epochs : float
        Passes over the data set.
    batch_size : int
        Examples a forward pass, over all processes together, so that the number of processes does
        not change the result.
    eval_batch_size : int, optional
        The same without gradients; twice ``batch_size``, at least 64, by default.
    gradient_accumulation : int
        Forward passes an update: an update sees ``batch_size * gradient_accumulation`` examples.
    weight_decay : float
        Pulls weight matrices (no biases, no norms) towards zero: AdamW, Loshchilov and Hutter 2019,
        https://arxiv.org/abs/1711.05101.
    warmup : float
        Share of the steps over which the rate rises from zero; then it falls to zero, in a line.
    schedule : str
        ``"linear"``, or ``"constant"`` to stay at the highest rate after the warm-up; see
        :func:`learning_rate_factor`.
    layer_decay : float
        Rate of a layer over that of the layer above it.
    unfreeze_every : float, optional
        Gradual unfreezing: the head first, one more layer after every so many epochs.
    max_grad_norm : float, optional
        Longer gradients are cut to this length.
    max_steps : int, optional
        Updates to make, whatever ``epochs`` says.
    max_length : int, optional
        Tokens after which a text is cut; what tokenizer and model can take by default.
    bucketing : bool
        Batches of texts of like length, which need less padding.
    shuffle : bool
        A new random order each epoch.
    evaluate_every : int, optional
        Updates between two evaluations; an epoch by default.
    best_metric : str
        What decides which weights are best: ``"loss"`` or a name that ``metrics`` returns.
    greater_is_better : bool, optional
        Whether more of ``best_metric`` is better. Known for the scores of this library; has to be
        said for a score of your own.
    keep_best : bool
        Whether the model ends with its best weights instead of its last; needs validation data.
    patience : int, optional
        Stop after so many evaluations without a better one.
    checkpoint_every : int, optional
        Updates between two checkpoints; an epoch by default. Needs ``output_dir``.
    device, precision : str
        ``"auto"``, or see :func:`tlhelpers.profiles.device_for` and
        :func:`tlhelpers.device.choose_precision`.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    ValueError
        If a value makes no sense.
    """

    learning_rate: float = 5e-5
    epochs: float = 3
    batch_size: int = 32
    eval_batch_size: int | None = None
    gradient_accumulation: int = 1
    weight_decay: float = 0.01
    warmup: float = 0.1
    schedule: str = "linear"
    layer_decay: float = 1.0
    unfreeze_every: float | None = None
    max_grad_norm: float | None = 1.0
    max_steps: int | None = None
    max_length: int | None = None
    bucketing: bool = True
    shuffle: bool = True
    evaluate_every: int | None = None
    best_metric: str = "loss"
    greater_is_better: bool | None = None
    keep_best: bool = True
    patience: int | None = None
    checkpoint_every: int | None = None
    device: str = "auto"
    precision: str = "auto"
    progress: bool = True

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        for name in ("learning_rate", "epochs"):
            value = getattr(self, name)
            if not (_is_number(value) and 0 < value < math.inf):
                raise ValueError(f"{name}={value!r} must be a number above 0, such as 5e-5 or 3")
        counts = ("batch_size", "gradient_accumulation")
        optional = ("eval_batch_size", "max_steps", "max_length", "evaluate_every")
        for name in (*counts, *optional, "patience", "checkpoint_every"):
            value = getattr(self, name)
            if value is None and name not in counts:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r} must be a whole number of at least 1")
        if not (_is_number(self.weight_decay) and 0 <= self.weight_decay < math.inf):
            raise ValueError(f"weight_decay={self.weight_decay!r} must be 0 or more, such as 0.01")
        if not (_is_number(self.warmup) and 0 <= self.warmup < 1):
            raise ValueError(
                f"warmup={self.warmup!r} is a share of the steps: at least 0, below 1, such as 0.1"
            )
        if not (_is_number(self.layer_decay) and 0 < self.layer_decay <= 1):
            raise ValueError(
                f"layer_decay={self.layer_decay!r} must be above 0 and at most 1, such as 0.9"
            )
        for name in ("unfreeze_every", "max_grad_norm"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and value > 0):
                raise ValueError(f"{name}={value!r} must be above 0, or None to do without")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule={self.schedule!r} must be 'linear' or 'constant'")
        if self.precision not in ("auto", *PRECISIONS):
            raise ValueError(
                f"precision={self.precision!r} is unknown: use 'auto', 'fp32', 'bf16' or 'fp16'"
            )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def learning_rate_factor(
    step: int, total_steps: int, warmup_steps: int = 0, schedule: str = "linear"
) -> float:
    """Give the share of the highest learning rate that an update uses.

    Parameters
    ----------
    step : int
        Updates done before this one: 0 for the first, ``total_steps - 1`` for the last.
    total_steps : int
        Updates of the whole run.
    warmup_steps : int
        Updates over which the share rises from 0 to 1 in a line.
    schedule : {"linear", "constant"}
        What comes after the warm-up: a line that reaches 0 when all updates are done, or 1.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        If there is no such schedule.

    Notes
    -----
    The same as ``transformers.get_scheduler`` with ``"linear"`` or ``"constant_with_warmup"``. The
    warm-up is that of Goyal et al. 2017, https://arxiv.org/abs/1706.02677, section 2.2.

    Examples
    --------
    >>> [learning_rate_factor(step, 6, warmup_steps=2) for step in range(6)]
    [0.0, 0.5, 1.0, 0.75, 0.5, 0.25]
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule={schedule!r} must be 'linear' or 'constant'")
    if step < warmup_steps:
        return step / warmup_steps
    if schedule == "constant":
        return 1.0
    return (total_steps - step) / max(1, total_steps - warmup_steps)


@dataclass
class Event:
    """What a callback is told, after every update and after every evaluation.

    A callback may set ``stop`` to end the training here.
    """

    kind: str  # "step" or "evaluation"
    model: nn.Module
    step: int
    epoch: float
    loss: float  # of this step's batch
    learning_rate: float
    row: dict[str, float] | None = None  # the new row of the history, after an evaluation
    stop: bool = False


@dataclass(frozen=True)
class FitResult:
    """What :func:`tlhelpers.training.fit.fit` gives back."""

    model: nn.Module  # with its best weights, if there was validation data
    history: pd.DataFrame  # one row an evaluation
    best_epoch: float | None
    seconds: float
    settings: Settings
    reasons: dict[str, str]  # why this device, this precision, this batch size, this end

    def __repr__(self) -> str:
        """Sum the run up in a line."""
        last = "" if self.history.empty else f", {self.history.iloc[-1].to_dict()}"
        return f"FitResult(best_epoch={self.best_epoch}, seconds={self.seconds:.1f}{last})"


Callback = Callable[[Event], None]
