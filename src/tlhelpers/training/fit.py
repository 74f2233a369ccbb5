"""One training loop for any transformers model, on `accelerate`.

Read :func:`fit`, then :class:`_Run` from top to bottom: that is all there is.
"""

from __future__ import annotations

import dataclasses
import gc
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from accelerate.utils.memory import should_reduce_batch_size
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, distributed, nn

from tlhelpers.device import PRECISIONS, choose_device, choose_precision
from tlhelpers.progress import progress_bar
from tlhelpers.training import checkpoints
from tlhelpers.training import layers as strategies
from tlhelpers.training.batching import (
    Batch,
    Collator,
    Data,
    Examples,
    count_labels,
    encode,
    epoch_order,
    plain,
)
from tlhelpers.training.prediction import (
    LossFunction,
    Metrics,
    evaluate,
    evaluate_examples,
    lean,
    own_loss,
    predict,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Event", "FitResult", "Settings", "evaluate", "fit", "predict"]

Callback = Callable[["Event"], None]

# Reading a number off a GPU waits for all its work, so a GPU's loss is looked at this seldom.
STEPS_BETWEEN_LOOKS_AT_A_GPU = 25
SMALLER_IS_BETTER = ("loss", "perplexity", "error")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train. Every field can also be given to :func:`fit` by its name.

    Parameters
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
        ``"linear"``, or ``"constant"`` to stay at the highest rate after the warm-up.
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
    keep_best : bool
        Whether the model ends with its best weights instead of its last; needs validation data.
    patience : int, optional
        Stop after so many evaluations without a better one.
    checkpoint_every : int, optional
        Updates between two checkpoints; an epoch by default. Needs ``output_dir``.
    device, precision : str
        ``"auto"``, or see :func:`tlhelpers.device.choose_device` and ``choose_precision``.
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
        if self.schedule not in ("linear", "constant"):
            raise ValueError(f"schedule={self.schedule!r} must be 'linear' or 'constant'")
        if self.precision not in ("auto", *PRECISIONS):
            raise ValueError(
                f"precision={self.precision!r} is unknown: use 'auto', 'fp32', 'bf16' or 'fp16'"
            )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


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
    """What :func:`fit` gives back."""

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


@dataclass
class Progress:
    """How far a run has come: all of its state that is no tensor. Stored as JSON."""

    step: int = 0  # updates done
    epoch: int = 0  # whole epochs done
    batch: int = 0  # updates done in this epoch
    passes: int = 1  # forward passes an update; grows when memory runs out
    loss_sum: float = 0.0  # since the last row of the history
    loss_count: int = 0
    samples: int = 0
    train_seconds: float = 0.0
    seconds: float = 0.0  # all of the run, evaluations included
    best: float | None = None
    best_epoch: float | None = None
    waiting: int = 0  # evaluations since the best
    history: list[dict[str, float]] = field(default_factory=list)
    finished: str = ""  # why the run ended


def fit(
    model: nn.Module,
    train: Data,
    validation: Data | None = None,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    settings: Settings | None = None,
    metrics: Metrics | None = None,
    collator: Collator | None = None,
    loss_function: LossFunction | None = None,
    text_columns: Sequence[str] | None = None,
    output_dir: str | os.PathLike[str] | None = None,
    resume: bool = True,
    callbacks: Sequence[Callback] = (),
    seed: int = 0,
    **overrides: Any,  # noqa: ANN401 - the fields of Settings, checked there
) -> FitResult:
    """Train a model.

    Parameters
    ----------
    model : nn.Module
        Any model of transformers (or one that is called like it and returns an object with
        ``loss`` and ``logits``). Changed in place. Frozen parameters stay as they are.
    train, validation : datasets.Dataset, list of dict, dict of lists or TensorDataset
        Texts with labels, or tokens with labels; see :func:`tlhelpers.training.batching.encode`.
    tokenizer : PreTrainedTokenizer, optional
        Needed for texts; else it only says what to pad with.
    settings : Settings, optional
        How to train.
    metrics : callable, optional
        ``metrics(logits, labels)`` gives a dict of scores. By default accuracy and macro F1 for
        classes, accuracy (and F1 of entities) for tokens, perplexity for language models.
    collator : callable, optional
        A ``DataCollator`` of transformers, for instance to mask tokens.
    loss_function : callable, optional
        ``loss_function(outputs, batch)`` replaces the model's own loss; a mean over its batch.
    text_columns : sequence of str, optional
        Which columns to tokenise, if it is not clear.
    output_dir : path, optional
        Where checkpoints and the best weights go. The same call with the same folder goes on where
        a run was killed, and ends with the same weights, bit for bit on one machine.
    resume : bool
        If False, what ``output_dir`` holds is removed first.
    callbacks : sequence of callable
        Each is called with an :class:`Event`.
    seed : int
        Decides the order of the data and the dropout.
    **overrides
        Fields of :class:`Settings`, for instance ``learning_rate=1e-4``.

    Returns
    -------
    FitResult

    Raises
    ------
    ValueError
        If settings, data and model do not fit together; the message says what to change.
    FloatingPointError
        If the loss stops being a number; the message says at which step and rate.

    Examples
    --------
    >>> result = fit(model, train, validation, tokenizer=tokenizer, epochs=2)  # doctest: +SKIP
    >>> result.history  # doctest: +SKIP
    """
    settings = _settings(settings, overrides)
    if validation is None and settings.patience is not None:
        raise ValueError(
            f"patience={settings.patience} needs validation data to watch: pass validation=..."
        )
    accelerator, reasons = _accelerator(settings)
    options: dict[str, Any] = {
        "max_length": settings.max_length,
        "text_columns": text_columns,
        "collator": collator,
        "need_labels": loss_function is None,
    }
    run = _Run(
        model=model,
        train=encode(train, tokenizer, model, name="train", **options),
        validation=None
        if validation is None
        else encode(validation, tokenizer, model, name="validation", **options),
        settings=settings,
        accelerator=accelerator,
        metrics=metrics,
        collator=collator,
        loss_function=loss_function,
        folder=None if output_dir is None else Path(output_dir),
        callbacks=callbacks,
        seed=seed,
        reasons=reasons,
    )
    try:
        run.start(resume)
        run.loop()
        return run.result()
    finally:
        run.release()


def _settings(settings: Settings | None, overrides: Mapping[str, Any]) -> Settings:
    known = [entry.name for entry in dataclasses.fields(Settings)]
    unknown = sorted(set(overrides) - set(known))
    if unknown:
        raise ValueError(f"unknown setting {', '.join(unknown)}: there are {', '.join(known)}")
    return dataclasses.replace(settings or Settings(), **overrides)


def _accelerator(settings: Settings) -> tuple[Accelerator, dict[str, str]]:
    device, device_reason = choose_device(settings.device)
    precision, precision_reason = choose_precision(device, settings.precision)
    mixed = {torch.bfloat16: "bf16", torch.float16: "fp16"}.get(precision, "no")
    # accelerate keeps one state a process and refuses a second one that differs; but a notebook may
    # well train twice, in another precision or on another device.
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(
        mixed_precision=mixed,
        cpu=device.type == "cpu",
        kwargs_handlers=[
            # A layer may be left out of a batch (or of the loss): wait for no gradient of it.
            DistributedDataParallelKwargs(find_unused_parameters=True, gradient_as_bucket_view=True)
        ],
    )
    reasons = {"device": device_reason, "precision": precision_reason}
    if accelerator.num_processes > 1:
        reasons["processes"] = f"{accelerator.num_processes}, each takes its part of every batch"
    return accelerator, reasons


class _Run:
    """One training run: its parts, and the loop over them."""

    def __init__(
        self,
        *,
        model: nn.Module,
        train: Examples,
        validation: Examples | None,
        settings: Settings,
        accelerator: Accelerator,
        metrics: Metrics | None,
        collator: Collator | None,
        loss_function: LossFunction | None,
        folder: Path | None,
        callbacks: Sequence[Callback],
        seed: int,
        reasons: dict[str, str],
    ) -> None:
        self.model, self.train, self.validation = model, train, validation
        self.settings, self.accelerator, self.reasons = settings, accelerator, reasons
        self.metrics, self.collator, self.loss_function = metrics, collator, loss_function
        self.folder, self.callbacks, self.seed = folder, callbacks, seed
        self.device = accelerator.device
        self.progress = Progress(passes=settings.gradient_accumulation)
        self.best_weights: dict[str, Tensor] = {}

        trained = [p for p in model.parameters() if p.requires_grad]
        if not trained:
            raise ValueError("every parameter is frozen: unfreeze the head at least, unfreeze(...)")
        if any(p.dtype in (torch.float16, torch.bfloat16) for p in trained):
            model.float()
            reasons["weights"] = "made float32: small updates vanish in half precision"
        model.to(self.device)
        self.names: dict[Tensor, str] = {
            p: name for name, p in model.named_parameters() if p.requires_grad
        }
        self.layers = strategies.layer_groups(model)
        groups = strategies.parameter_groups(
            model, settings.learning_rate, settings.weight_decay, settings.layer_decay
        )
        self.rates = [group["lr"] for group in groups]
        fused = self.device.type in ("cpu", "cuda")
        self.raw_optimizer = torch.optim.AdamW(groups, fused=fused)
        self.optimizer = accelerator.prepare_optimizer(self.raw_optimizer)
        self.wrapped: nn.Module = model
        self.clock: Callable[[], float] = lambda: 0.0  # seconds of the run, started by the loop

        self.update_size = settings.batch_size * settings.gradient_accumulation
        self.epoch_steps = math.ceil(len(train) / self.update_size)
        self.total_steps = settings.max_steps or math.ceil(settings.epochs * self.epoch_steps)
        self.warmup_steps = math.ceil(settings.warmup * self.total_steps)

    # ---- the loop ---------------------------------------------------------------------------

    def loop(self) -> None:
        """Train until the steps are done, patience is spent or a callback says stop."""
        progress, settings = self.progress, self.settings
        bar = progress_bar(
            show=settings.progress and self.accelerator.is_main_process,
            total=self.total_steps,
            initial=progress.step,
            unit="step",
        )
        began, before = time.perf_counter(), progress.seconds
        self.clock = lambda: before + time.perf_counter() - began
        loss_sum = torch.zeros((), device=self.device)  # stays there: no wait at every step
        self.wrapped.train()
        while not self.over():
            order = epoch_order(
                self.train.lengths,
                self.update_size,
                seed=self.seed,
                epoch=progress.epoch,
                bucketing=settings.bucketing,
                shuffle=settings.shuffle,
            )
            while progress.batch < len(order) and not self.over():
                self.thaw()
                step_began = time.perf_counter()
                loss, count = self.update(order[progress.batch])
                loss_sum += loss.detach() * count
                progress.loss_count += count
                progress.samples += len(order[progress.batch])
                progress.step += 1
                progress.batch += 1
                last = progress.step == self.total_steps
                epoch_ends = progress.batch == len(order)
                row_due = last or (
                    progress.step % settings.evaluate_every == 0
                    if settings.evaluate_every
                    else epoch_ends
                )
                save_due = self.folder is not None and (
                    epoch_ends
                    or (
                        settings.checkpoint_every is not None
                        and progress.step % settings.checkpoint_every == 0
                    )
                )
                look = row_due or save_due or self.device.type == "cpu"
                if look or progress.step % STEPS_BETWEEN_LOOKS_AT_A_GPU == 0:
                    progress.loss_sum += float(loss_sum)
                    loss_sum.zero_()
                    self.check_loss()
                progress.train_seconds += time.perf_counter() - step_began
                self.tell("step", loss)
                if row_due:
                    self.tell("evaluation", loss, self.add_row())
                    self.wrapped.train()
                bar.update()
                if save_due and not self.over():
                    self.save()
            if progress.batch == len(order):
                progress.epoch, progress.batch = progress.epoch + 1, 0
        bar.close()
        progress.seconds = self.clock()
        self.finish()

    def over(self) -> bool:
        """Tell whether the run has come to its end."""
        return bool(self.progress.finished) or self.progress.step >= self.total_steps

    def update(self, rows: NDArray[np.int64]) -> tuple[Tensor, int]:
        """Make one update from some examples; in more passes, if memory does not last."""
        while True:
            try:
                loss, count = self.backward(rows)
                break
            except RuntimeError as error:
                alone = self.accelerator.num_processes == 1
                if not (should_reduce_batch_size(error) and alone):
                    raise
                if self.progress.passes >= len(rows):
                    raise
                self.halve(str(error))
            # Outside of the except block: inside, the error still holds the memory.
            self.optimizer.zero_grad()
            gc.collect()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        factor = self.rate_factor(self.progress.step)
        for group, rate in zip(self.raw_optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        if self.settings.max_grad_norm is not None:
            self.accelerator.clip_grad_norm_(self.names, self.settings.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss, count

    def backward(self, rows: NDArray[np.int64]) -> tuple[Tensor, int]:
        """Add up the gradients of some examples' mean loss, whatever the passes and processes."""
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        parts = np.array_split(rows, min(self.progress.passes, len(rows)))
        shares = [np.array_split(part, world)[rank] for part in parts]
        # A process with nothing to do joins in with an example that counts for nothing.
        batches = [
            self.train.batch(share if len(share) else rows[:1], self.collator) for share in shares
        ]
        counts = [
            count_labels(batch, self.model) * (len(share) > 0)
            for batch, share in zip(batches, shares, strict=True)
        ]
        total = sum(counts)
        if world > 1:
            total = int(self.accelerator.reduce(torch.tensor(total, device=self.device)))
        mean = torch.zeros((), device=self.device)
        for index, (batch, count) in enumerate(zip(batches, counts, strict=True)):
            batch = {key: value.to(self.device) for key, value in batch.items()}
            last = index == len(batches) - 1  # before it, processes need not exchange gradients
            waiting = nullcontext() if last else self.accelerator.no_sync(self.wrapped)
            with waiting, lean(self.model, self.loss_function):
                with self.accelerator.autocast():
                    loss = self.loss(self.wrapped(**batch), batch)
                if count == 0:  # no word was masked: the mean over nothing is no number
                    loss = torch.nan_to_num(loss)
                # A pass weighs as its labels do; times world, as DistributedDataParallel divides.
                weight = count * world / max(total, 1)
                weighted = loss if weight == 1 else loss * weight
                self.accelerator.backward(weighted)
            mean += weighted.detach()
        if world > 1:
            mean = self.accelerator.reduce(mean, reduction="mean")
        return mean, total

    def loss(self, outputs: Any, batch: Batch) -> Tensor:  # noqa: ANN401 - any model's output
        """Take the loss of a pass: the model's own, or the one asked for."""
        if self.loss_function is not None:
            return self.loss_function(outputs, batch)
        return own_loss(outputs)

    def rate_factor(self, step: int) -> float:
        """Return the share of the highest rate for the update after ``step`` updates."""
        if step < self.warmup_steps:
            return step / self.warmup_steps
        if self.settings.schedule == "constant":
            return 1.0
        return (self.total_steps - step) / max(1, self.total_steps - self.warmup_steps)

    def thaw(self) -> None:
        """Let the layers train whose turn it is, if unfreezing is gradual."""
        every = self.settings.unfreeze_every
        changed = []
        if every is not None:
            epoch = self.progress.step / self.epoch_steps
            free = strategies.unfrozen_groups(self.layers, epoch, every)
            names = {name for layer in free for name in self.layers[layer]}
            changed = [p for p, name in self.names.items() if p.requires_grad != (name in names)]
        for parameter in changed:
            parameter.requires_grad_(not parameter.requires_grad)
        if self.accelerator.num_processes > 1 and (changed or self.wrapped is self.model):
            # DistributedDataParallel settles at its start which gradients to exchange.
            self.wrapped = self.accelerator.prepare_model(self.model)

    def halve(self, message: str) -> None:
        """Cut each update into twice as many passes."""
        self.progress.passes *= 2
        size = max(1, self.update_size // self.progress.passes)
        self.reasons["batch"] = (
            f"out of memory: {size} examples a pass, {self.progress.passes} passes an update of "
            f"{self.update_size} ({message.splitlines()[0][:80]})"
        )

    def check_loss(self) -> None:
        if math.isfinite(self.progress.loss_sum):
            return
        step = self.progress.step
        rate = self.settings.learning_rate * self.rate_factor(step - 1)
        raise FloatingPointError(
            f"the loss is not a finite number at step {step} of {self.total_steps}, learning rate "
            f"{rate:.2e}: lower learning_rate={self.settings.learning_rate:g}, lengthen warmup="
            f"{self.settings.warmup:g} or look for broken examples"
        )

    # ---- what comes after an evaluation ------------------------------------------------------

    def add_row(self) -> dict[str, float]:
        """Evaluate, write a row of the history, keep the weights if they are the best so far."""
        progress = self.progress
        row: dict[str, float] = {
            "epoch": progress.step / self.epoch_steps,
            "step": progress.step,
            "train_loss": progress.loss_sum / max(1, progress.loss_count),
        }
        if self.validation is not None:
            scores = self.evaluate()
            row |= {f"validation_{name}": value for name, value in scores.items()}
            self.compare(scores, row["epoch"])
        row |= {
            "learning_rate": self.settings.learning_rate * self.rate_factor(progress.step - 1),
            "samples_per_second": progress.samples / max(progress.train_seconds, 1e-9),
            "seconds": self.clock(),
        }
        progress.history.append(row)
        progress.loss_sum, progress.loss_count = 0.0, 0
        progress.samples, progress.train_seconds = 0, 0.0
        return row

    def evaluate(self) -> dict[str, float]:
        assert self.validation is not None
        return evaluate_examples(
            self.model,
            self.validation,
            metrics=self.metrics,
            collator=self.collator,
            loss_function=self.loss_function,
            batch_size=self.settings.eval_batch_size or max(64, 2 * self.settings.batch_size),
            device=self.device,
            precision=PRECISION_OF[self.accelerator.mixed_precision],
            seed=self.seed,
        )

    def compare(self, scores: Mapping[str, float], epoch: float) -> None:
        progress, name = self.progress, self.settings.best_metric.removeprefix("validation_")
        if name not in scores:
            raise ValueError(
                f"best_metric={self.settings.best_metric!r} is not among the scores: "
                f"use one of {', '.join(scores)}"
            )
        value = scores[name] if name.endswith(SMALLER_IS_BETTER) else -scores[name]
        if progress.best is None or value < progress.best:
            progress.best, progress.best_epoch, progress.waiting = value, epoch, 0
            if self.settings.keep_best and self.accelerator.is_main_process:
                self.keep()
        else:
            progress.waiting += 1
            if self.settings.patience is not None and progress.waiting >= self.settings.patience:
                progress.finished = (
                    f"stopped early: validation {name} no better for {progress.waiting} evaluations"
                )

    def keep(self) -> None:
        now = checkpoints.weights(self.model, self.names.values())
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            checkpoints.write_tensors(self.folder / BEST, now)
        elif self.progress.step < self.total_steps:  # the last weights need no copy
            self.best_weights = {name: tensor.to("cpu", copy=True) for name, tensor in now.items()}
        else:
            self.best_weights = {}

    def tell(self, kind: str, loss: Tensor, row: dict[str, float] | None = None) -> None:
        if not self.callbacks:
            return
        progress = self.progress
        event = Event(
            kind=kind,
            model=self.model,
            step=progress.step,
            epoch=progress.step / self.epoch_steps,
            loss=float(loss),
            learning_rate=self.settings.learning_rate * self.rate_factor(progress.step - 1),
            row=row,
        )
        for callback in self.callbacks:
            callback(event)
        if event.stop and not progress.finished:
            progress.finished = f"stopped by a callback at step {progress.step}"

    # ---- beginning, end, and the way between -------------------------------------------------

    def start(self, resume: bool) -> None:
        """Set the seeds, or go on from the last checkpoint."""
        set_seed(self.seed, device_specific=True)
        if self.folder is None:
            return
        if not resume:
            if self.accelerator.is_main_process:
                shutil.rmtree(self.folder / CHECKPOINTS, ignore_errors=True)
                (self.folder / BEST).unlink(missing_ok=True)
            self.accelerator.wait_for_everyone()
        found = checkpoints.load_checkpoint(self.folder / CHECKPOINTS)
        if found is None:
            return
        tensors, state = found
        self.check_same_run(state["run"])
        self.progress = Progress(**state["progress"])
        checkpoints.load_weights(self.model, tensors["model"])
        if self.progress.finished:
            self.reasons["resume"] = f"{self.folder} holds this run, finished: not trained again"
            return
        checkpoints.load_optimizer_state(
            self.raw_optimizer, self.names, tensors.get("optimizer", {})
        )
        checkpoints.load_random_state(
            tensors[f"random-{self.accelerator.process_index}"], self.device
        )
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.reasons["resume"] = f"went on from step {self.progress.step} in {self.folder}"

    def description(self) -> dict[str, Any]:
        """Say what makes this run this one: another one must not go on from its checkpoints."""
        ignored = ("progress", "eval_batch_size", "checkpoint_every")
        return {
            **{k: v for k, v in asdict(self.settings).items() if k not in ignored},
            "seed": self.seed,
            "processes": self.accelerator.num_processes,
            "device": self.device.type,
            "precision": self.accelerator.mixed_precision,
            "train data": self.train.fingerprint(),
            "validation data": self.validation.fingerprint() if self.validation else None,
            "model": type(plain(self.model)).__name__,
            "trained parameters": sum(p.numel() for p in self.names),
        }

    def check_same_run(self, stored: Mapping[str, Any]) -> None:
        now = self.description()
        for key in [*now, *stored]:
            if now.get(key) != stored.get(key):
                raise ValueError(
                    f"{self.folder} holds a run with {key} {stored.get(key)!r}, this one has "
                    f"{now.get(key)!r}: give another output_dir, or resume=False to start afresh"
                )

    def save(self) -> None:
        """Write a checkpoint that a killed run goes on from as if nothing had happened."""
        assert self.folder is not None
        self.progress.seconds = self.clock()
        state = checkpoints.random_state(self.device)
        states = {
            key: self.accelerator.gather(value.to(self.device)[None]).cpu()
            for key, value in state.items()
        }
        if self.accelerator.is_main_process:
            tensors = {
                "model": checkpoints.weights(self.model, self.names.values()),
                "optimizer": checkpoints.optimizer_state(self.raw_optimizer, self.names),
            }
            for rank in range(self.accelerator.num_processes):
                tensors[f"random-{rank}"] = {key: value[rank] for key, value in states.items()}
            scaler = self.accelerator.scaler
            self.write(tensors, {} if scaler is None else scaler.state_dict())
        self.accelerator.wait_for_everyone()

    def write(self, tensors: Mapping[str, Mapping[str, Tensor]], scaler: Mapping[str, Any]) -> None:
        assert self.folder is not None
        progress = asdict(self.progress)
        if self.progress.batch == self.epoch_steps:
            progress |= {"epoch": self.progress.epoch + 1, "batch": 0}
        checkpoints.save_checkpoint(
            self.folder / CHECKPOINTS,
            self.progress.step,
            tensors,
            {"run": self.description(), "progress": progress, "scaler": dict(scaler)},
        )

    def finish(self) -> None:
        """Restore the best weights, and say in the folder that the run is done."""
        progress = self.progress
        if "not trained again" in self.reasons.get("resume", ""):
            self.reasons["end"] = progress.finished
            return
        progress.finished = progress.finished or f"all {self.total_steps} steps done"
        self.reasons["end"] = progress.finished
        self.accelerator.wait_for_everyone()
        if progress.best is not None and self.settings.keep_best:
            if self.folder is not None:
                checkpoints.load_weights(self.model, load_file(self.folder / BEST))
            elif self.accelerator.is_main_process:
                checkpoints.load_weights(self.model, self.best_weights)
            if self.accelerator.num_processes > 1 and self.folder is None:
                for tensor in checkpoints.weights(self.model, self.names.values()).values():
                    distributed.broadcast(tensor, 0)
        self.accelerator.wait_for_everyone()  # all have read BEST before it is removed
        if self.folder is not None and self.accelerator.is_main_process:
            self.write({"model": checkpoints.weights(self.model, self.names.values())}, {})
            (self.folder / BEST).unlink(missing_ok=True)  # the finished checkpoint holds the same
        self.accelerator.wait_for_everyone()

    def release(self) -> None:
        """Give the model back as the caller knows it, whether the run ended or broke."""
        self.accelerator.unwrap_model(self.wrapped, keep_fp32_wrapper=False)
        for parameter in self.names:
            parameter.requires_grad_(True)  # those that were not thawed yet
            parameter.grad = None

    def result(self) -> FitResult:
        self.model.eval()
        return FitResult(
            model=self.model,
            history=pd.DataFrame(self.progress.history),
            best_epoch=self.progress.best_epoch,
            seconds=self.progress.seconds,
            settings=self.settings,
            reasons=self.reasons,
        )


BEST = "best.safetensors"
CHECKPOINTS = "checkpoints"
PRECISION_OF = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
