"""What changes while a model trains: all that a checkpoint has to hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import Optimizer

from tlhelpers.training import checkpoints


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

    def add_row(
        self, epoch: float, scores: Mapping[str, float], learning_rate: float
    ) -> dict[str, float]:
        """Write a row of the history, and count anew for the next one.

        Parameters
        ----------
        epoch : float
            Epochs done.
        scores : mapping
            What the evaluation found; empty without validation data.
        learning_rate : float
            Of the last update.

        Returns
        -------
        dict
            The row.
        """
        row = {
            "epoch": epoch,
            "step": self.step,
            "train_loss": self.loss_sum / max(1, self.loss_count),
            **{f"validation_{name}": value for name, value in scores.items()},
            "learning_rate": learning_rate,
            "samples_per_second": self.samples / max(self.train_seconds, 1e-9),
            "seconds": self.seconds,
        }
        self.history.append(row)
        self.loss_sum, self.loss_count, self.samples, self.train_seconds = 0.0, 0, 0, 0.0
        return row


@dataclass
class TrainingState:
    """What changes while a model trains, and on what it runs."""

    model: nn.Module
    names: dict[Tensor, str]  # the trained parameters and what the model calls them
    optimizer: Optimizer
    accelerator: Accelerator
    progress: Progress

    def weights(self) -> dict[str, Tensor]:
        """Return what training changes in the model, under its names; not a copy."""
        return checkpoints.weights(self.model, self.names.values())
