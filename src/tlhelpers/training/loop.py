"""The training loop: schedule, micro-steps, clip, step.

Read :meth:`Loop.run`, then from there to the bottom. The best weights and the folder of the run
have files of their own, `best_weights` and `run_folder`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from accelerate.utils.memory import should_reduce_batch_size
from numpy.typing import NDArray
from torch import Tensor, nn

from tlhelpers.progress import progress_bar
from tlhelpers.training.batching import Collator, Examples, count_labels, epoch_order, plain
from tlhelpers.training.best_weights import BestWeights
from tlhelpers.training.layers import layer_groups, unfreeze_in_turn
from tlhelpers.training.prediction import LossFunction, own_loss, release_memory
from tlhelpers.training.run_folder import RunFolder
from tlhelpers.training.settings import Callback, Event, Settings, learning_rate_factor
from tlhelpers.training.state import TrainingState
from tlhelpers.training.unread_tokens import skip_unread_tokens

# Reading a number off a GPU waits for all its work, so a GPU's loss is looked at this seldom.
STEPS_BETWEEN_LOOKS_AT_A_GPU = 25


@dataclass
class Loop:
    """One training run: its parts, and the loop over them."""

    state: TrainingState
    settings: Settings
    train: Examples
    collator: Collator | None
    loss_function: LossFunction | None
    evaluate: Callable[[], dict[str, float]] | None  # scores on the validation data
    best: BestWeights
    folder: RunFolder | None
    callbacks: Sequence[Callback]
    seed: int
    reasons: dict[str, str]

    def __post_init__(self) -> None:
        """Count the steps, and note the rate of each group of parameters."""
        self.model, self.accelerator = self.state.model, self.state.accelerator
        self.device, self.world = self.accelerator.device, self.accelerator.num_processes
        self.wrapped: nn.Module = self.model
        self.layers = layer_groups(self.model)
        self.rates = [group["lr"] for group in self.state.optimizer.param_groups]
        self.optimizer = self.accelerator.prepare_optimizer(self.state.optimizer)
        self.update_size = self.settings.batch_size * self.settings.gradient_accumulation
        self.epoch_steps = math.ceil(len(self.train) / self.update_size)
        steps = math.ceil(self.settings.epochs * self.epoch_steps)
        self.total_steps = self.settings.max_steps or steps
        self.warmup_steps = math.ceil(self.settings.warmup * self.total_steps)

    def run(self) -> None:
        """Train until the steps are done, patience is spent or a callback says stop."""
        progress, settings = self.state.progress, self.settings
        show = settings.progress and self.accelerator.is_main_process
        bar = progress_bar(show=show, total=self.total_steps, initial=progress.step, unit="step")
        began = time.perf_counter() - progress.seconds
        loss_sum = torch.zeros((), device=self.device)  # stays there: no wait at every step
        listening = torch.tensor(len(self.callbacks), device=self.device)
        self.told = self.world > 1 and bool(self.accelerator.reduce(listening))
        self.wrapped.train()
        for rows in self.updates():  # (update_size,)
            self.unfreeze()
            step_began = time.perf_counter()
            factor = learning_rate_factor(
                progress.step, self.total_steps, self.warmup_steps, settings.schedule
            )
            for group, rate in zip(self.state.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = rate * factor
            loss, count = self.accumulate(rows)  # (), the labels that it is the mean of
            if settings.max_grad_norm is not None:
                self.accelerator.clip_grad_norm_(self.state.names, settings.max_grad_norm)
            self.optimizer.step()
            self.optimizer.zero_grad()

            self.learning_rate = settings.learning_rate * factor
            progress.step += 1
            progress.samples += len(rows)
            progress.loss_count += count
            loss_sum += loss * count
            row_due, save_due = self.due()
            look = row_due or save_due or self.device.type == "cpu"
            if look or progress.step % STEPS_BETWEEN_LOOKS_AT_A_GPU == 0:
                progress.loss_sum += float(loss_sum)
                loss_sum.zero_()
                self.check_loss()
            progress.train_seconds += time.perf_counter() - step_began
            self.tell("step", loss)
            if row_due:
                scores = self.evaluate() if self.evaluate else {}
                if scores:
                    self.best.compare(scores, self.epoch(), last=progress.step == self.total_steps)
                progress.seconds = time.perf_counter() - began
                row = progress.add_row(self.epoch(), scores, self.learning_rate)
                self.tell("evaluation", loss, row)
                self.wrapped.train()
            bar.update()
            if save_due and self.folder is not None and not self.over():
                progress.seconds = time.perf_counter() - began
                self.folder.save()
        bar.close()
        progress.seconds = time.perf_counter() - began
        progress.finished = progress.finished or f"all {self.total_steps} steps done"
        self.best.restore()
        if self.folder is not None:
            self.folder.finish()

    def accumulate(self, rows: NDArray[np.int64]) -> tuple[Tensor, int]:
        """Add up the gradients of an update; in more passes, if memory does not last."""
        progress = self.state.progress
        while True:
            try:
                return self.micro_steps(rows)
            except RuntimeError as error:
                halving = should_reduce_batch_size(error) and self.world == 1
                if not halving or progress.passes >= len(rows):
                    raise
                progress.passes *= 2
                size = max(1, self.update_size // progress.passes)
                self.reasons["batch"] = (
                    f"out of memory: {size} examples a pass, {progress.passes} passes an update of "
                    f"{self.update_size} ({str(error).splitlines()[0][:80]})"
                )
            # Outside of the except block: inside, the error still holds the memory.
            self.optimizer.zero_grad()
            release_memory(self.device)

    def micro_steps(self, rows: NDArray[np.int64]) -> tuple[Tensor, int]:
        """Add up the gradients of some examples' mean loss, whatever the passes and processes."""
        parts = np.array_split(rows, min(self.state.progress.passes, len(rows)))
        shares = [
            np.array_split(part, self.world)[self.accelerator.process_index] for part in parts
        ]
        # A process with nothing to do joins in with an example that counts for nothing.
        batches = [
            self.train.batch(share if len(share) else rows[:1], self.collator) for share in shares
        ]
        counts = [
            count_labels(batch, self.model) * (len(share) > 0)
            for batch, share in zip(batches, shares, strict=True)
        ]
        total = sum(counts)
        if self.world > 1:
            total = int(self.accelerator.reduce(torch.tensor(total, device=self.device)))
        mean = torch.zeros((), device=self.device)
        for index, (batch, count) in enumerate(zip(batches, counts, strict=True)):
            batch = {key: value.to(self.device) for key, value in batch.items()}  # (B, L) or (B,)
            last = index == len(batches) - 1  # before it, processes need not exchange gradients
            waiting = nullcontext() if last else self.accelerator.no_sync(self.wrapped)
            own = self.loss_function
            with waiting, skip_unread_tokens(plain(self.model), enabled=own is None):
                with self.accelerator.autocast():
                    outputs = self.wrapped(**batch)  # logits (B, C) or (B, L, C)
                    loss = own_loss(outputs) if own is None else own(outputs, batch)  # ()
                if count == 0:  # no word was masked: the mean over nothing is no number
                    loss = torch.nan_to_num(loss)
                # A pass weighs as its labels do; times world, as DistributedDataParallel divides.
                weight = count * self.world / max(total, 1)
                weighted = loss if weight == 1 else loss * weight
                self.accelerator.backward(weighted)
            mean += weighted.detach()
        if self.world > 1:
            mean = self.accelerator.reduce(mean, reduction="mean")
        return mean, total

    def updates(self) -> Iterator[NDArray[np.int64]]:
        """Deal out the examples of each update, from where the run stands to its end."""
        progress = self.state.progress
        while not self.over():
            order = epoch_order(
                self.train.lengths,
                self.update_size,
                seed=self.seed,
                epoch=progress.epoch,
                bucketing=self.settings.bucketing,
                shuffle=self.settings.shuffle,
            )
            for rows in order[progress.batch :]:
                if self.over():
                    return
                progress.batch += 1
                if progress.batch == len(order):
                    progress.epoch, progress.batch = progress.epoch + 1, 0
                yield rows

    def over(self) -> bool:
        """Tell whether the run has come to its end."""
        return bool(self.state.progress.finished) or self.state.progress.step >= self.total_steps

    def due(self) -> tuple[bool, bool]:
        """Tell whether an evaluation, and a checkpoint, follow the update just made."""
        step, epoch_ends = self.state.progress.step, self.state.progress.batch == 0
        every, save_every = self.settings.evaluate_every, self.settings.checkpoint_every
        evaluate = step == self.total_steps or (step % every == 0 if every else epoch_ends)
        save = epoch_ends or (save_every is not None and step % save_every == 0)
        return evaluate, save and self.folder is not None

    def unfreeze(self) -> None:
        """Let the layers train whose turn it is, if unfreezing is gradual."""
        every = self.settings.unfreeze_every
        changed = every is not None and unfreeze_in_turn(
            self.state.names, self.layers, self.epoch(), every
        )
        if self.world > 1 and (changed or self.wrapped is self.model):
            # DistributedDataParallel settles at its start which gradients to exchange.
            self.wrapped = self.accelerator.prepare_model(self.model)

    def epoch(self) -> float:
        """Count the epochs done, with their fractions."""
        return self.state.progress.step / self.epoch_steps

    def check_loss(self) -> None:
        """Stop where training makes no sense any more."""
        if math.isfinite(self.state.progress.loss_sum):
            return
        raise FloatingPointError(
            f"the loss is not a finite number at step {self.state.progress.step} of "
            f"{self.total_steps}, learning rate {self.learning_rate:.2e}: lower learning_rate="
            f"{self.settings.learning_rate:g}, lengthen warmup={self.settings.warmup:g} or look "
            "for broken examples"
        )

    def tell(self, kind: str, loss: Tensor, row: dict[str, float] | None = None) -> None:
        """Call the callbacks; one of them may end the run."""
        if not self.callbacks and not self.told:
            return
        progress = self.state.progress
        event = Event(
            kind=kind,
            model=self.model,
            step=progress.step,
            epoch=self.epoch(),
            loss=float(loss),
            learning_rate=self.learning_rate,
            row=row,
        )
        stop = False
        for callback in self.callbacks:
            callback(event)
            stop = stop or event.stop  # the next one may set it back
        if self.told:  # no process may wait for one that has stopped
            stop = bool(self.accelerator.reduce(torch.tensor(int(stop), device=self.device)))
        if stop and not progress.finished:
            progress.finished = f"stopped by a callback at step {progress.step}"

    def release(self) -> None:
        """Give the model back as the caller knows it, whether the run ended or broke."""
        self.accelerator.unwrap_model(self.wrapped, keep_fp32_wrapper=False)
        for parameter in self.state.names:
            parameter.requires_grad_(True)  # those that were not thawed yet
            parameter.grad = None
