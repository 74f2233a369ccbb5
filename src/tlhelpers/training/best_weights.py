"""The weights of the best evaluation: which they are, where they wait, and their return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, distributed

from tlhelpers.training import checkpoints
from tlhelpers.training.run_folder import BEST
from tlhelpers.training.settings import Settings
from tlhelpers.training.state import TrainingState

# The scores of this library: whether more of it is better.
GREATER_IS_BETTER = {
    "loss": False,
    "perplexity": False,
    "accuracy": True,
    "macro_f1": True,
    "precision": True,
    "recall": True,
    "f1": True,
    "exact_match": True,
}


def metric_name(settings: Settings) -> str:
    """Name what decides as the scores do, without the history's ``validation_``."""
    return settings.best_metric.removeprefix("validation_")


def greater_is_better(settings: Settings) -> bool:
    """Say whether more of what decides is better.

    Parameters
    ----------
    settings : Settings
        Names it, and says which way it points if that is not known.

    Returns
    -------
    bool
        False for a loss.

    Raises
    ------
    ValueError
        If the direction is not known, or what the settings say is the contrary of it.
    """
    known, said = GREATER_IS_BETTER.get(metric_name(settings)), settings.greater_is_better
    if known is None and said is None:
        raise ValueError(
            f"best_metric={settings.best_metric!r} is a score of your own: say which way it "
            "points, greater_is_better=False if less is better (an error), else True"
        )
    if known is not None and said is not None and known != said:
        raise ValueError(
            f"greater_is_better={said} contradicts best_metric={settings.best_metric!r}, of which "
            f"{'more' if known else 'less'} is better: leave it out, or rename your score"
        )
    return bool(known if said is None else said)


@dataclass
class BestWeights:
    """The best weights so far, in the folder of the run; in memory, if there is none.

    Attributes
    ----------
    state : TrainingState
        The model that is trained, and how far it has come.
    settings : Settings
        What decides (``best_metric``), whether weights are kept (``keep_best``), and how many
        evaluations without a better one end the run (``patience``).
    folder : Path, optional
        The folder of the run.
    copies : dict of Tensor
        The best weights in memory; none while the model itself has them.
    """

    state: TrainingState
    settings: Settings
    folder: Path | None
    copies: dict[str, Tensor] = field(default_factory=dict)

    def compare(self, scores: Mapping[str, float], epoch: float, *, last: bool) -> None:
        """Keep the weights if these are the best scores so far; count the patience if not.

        Parameters
        ----------
        scores : mapping
            What the evaluation found.
        epoch : float
            Epochs done.
        last : bool
            Whether training ends here: then the model's own weights need no copy in memory.

        Raises
        ------
        ValueError
            If ``best_metric`` is not among the scores, or its direction is not known.
        """
        progress, name = self.state.progress, metric_name(self.settings)
        if name not in scores:
            raise ValueError(
                f"best_metric={self.settings.best_metric!r} is not among the scores: "
                f"use one of {', '.join(scores)}"
            )
        value = -scores[name] if greater_is_better(self.settings) else scores[name]
        if progress.best is None or value < progress.best:
            progress.best, progress.best_epoch, progress.waiting = value, epoch, 0
            if self.settings.keep_best and self.state.accelerator.is_main_process:
                self._keep(last)
        else:
            progress.waiting += 1
            if self.settings.patience is not None and progress.waiting >= self.settings.patience:
                progress.finished = (
                    f"stopped early: validation {name} no better for {progress.waiting} evaluations"
                )

    def restore(self) -> None:
        """Give the model its best weights back, in every process."""
        state, accelerator = self.state, self.state.accelerator
        accelerator.wait_for_everyone()
        if state.progress.best is not None and self.settings.keep_best:
            if self.folder is not None:
                checkpoints.load_weights(state.model, load_file(self.folder / BEST))
            elif accelerator.is_main_process:
                checkpoints.load_weights(state.model, self.copies)
            if accelerator.num_processes > 1 and self.folder is None:
                for tensor in state.weights().values():
                    distributed.broadcast(tensor, 0)
        accelerator.wait_for_everyone()  # all have read the file before it is removed

    def _keep(self, last: bool) -> None:
        now = self.state.weights()
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            checkpoints.write_tensors(self.folder / BEST, now)
        elif last:
            self.copies = {}
        else:
            self.copies = {name: tensor.to("cpu", copy=True) for name, tensor in now.items()}
