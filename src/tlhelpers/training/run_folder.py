"""The folder of a run: checkpoints to go on from, and the check that it is still the same run."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from tlhelpers.training import checkpoints
from tlhelpers.training.batching import plain
from tlhelpers.training.state import Progress, TrainingState

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BEST = "best.safetensors"
CHECKPOINTS = "checkpoints"
# How a call that looks the same can differ in this.
HINTS = {
    "starting weights": "; to go on with it load the model again, with the same seed: training has "
    "changed the one that you gave",
    "loss function": "; to go on with it define the function as it was, with the same values",
}


def try_to_write(path: Path) -> None:
    """Write a file into a folder and remove it, so that a run does not end in what could be known.

    Parameters
    ----------
    path : Path
        The folder; it is made if it is not there.

    Raises
    ------
    OSError
        If that fails; the message says why.
    """
    probe = path / f"tried-by-{os.getpid()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise OSError(
            f"output_dir={str(path)!r} cannot be written ({error.strerror}): name a folder of yours"
        ) from error


@dataclass
class RunFolder:
    """What a run keeps on disk.

    Attributes
    ----------
    path : Path
        The folder; it need not be there.
    state : TrainingState
        What is stored, and restored in place.
    description : mapping
        What makes this run this one, as JSON: another one must not go on from its checkpoints.
    """

    path: Path
    state: TrainingState
    description: Mapping[str, Any]

    def clear(self) -> None:
        """Remove what an earlier run has left."""
        if self.state.accelerator.is_main_process:
            shutil.rmtree(self.path / CHECKPOINTS, ignore_errors=True)
            (self.path / BEST).unlink(missing_ok=True)
        self.state.accelerator.wait_for_everyone()

    def restore(self) -> dict[str, str]:
        """Go on from the latest checkpoint, if there is one.

        Returns
        -------
        dict
            Why training starts where it does, under ``"resume"``; empty if from the beginning.

        Raises
        ------
        ValueError
            If the folder holds another run; the message says in what they differ.
        """
        found = checkpoints.load_checkpoint(self.path / CHECKPOINTS)
        if found is None:
            return {}
        tensors, stored = found
        self._check_same_run(stored["run"])
        state, accelerator = self.state, self.state.accelerator
        state.progress = Progress(**stored["progress"])
        checkpoints.load_weights(state.model, tensors["model"])
        if state.progress.finished:
            return {"resume": f"{self.path} holds this run, finished: not trained again"}
        checkpoints.load_optimizer_state(state.optimizer, state.names, tensors.get("optimizer", {}))
        own = tensors[f"random-{accelerator.process_index}"]
        checkpoints.load_random_state(own, accelerator.device)
        if accelerator.scaler is not None:
            accelerator.scaler.load_state_dict(stored["scaler"])
        return {"resume": f"went on from step {state.progress.step} in {self.path}"}

    def save(self) -> None:
        """Write a checkpoint that a killed run goes on from as if nothing had happened."""
        state, accelerator = self.state, self.state.accelerator
        states = {
            key: accelerator.gather(value.to(accelerator.device)[None]).cpu()
            for key, value in checkpoints.random_state(accelerator.device).items()
        }
        if accelerator.is_main_process:
            tensors = {
                "model": state.weights(),
                "optimizer": checkpoints.optimizer_state(state.optimizer, state.names),
            }
            for rank in range(accelerator.num_processes):
                tensors[f"random-{rank}"] = {key: value[rank] for key, value in states.items()}
            scaler = accelerator.scaler
            self._write(tensors, {} if scaler is None else scaler.state_dict())
        accelerator.wait_for_everyone()

    def finish(self) -> None:
        """Say in the folder that the run is done, and keep nothing but the weights it ends with."""
        if self.state.accelerator.is_main_process:
            self._write({"model": self.state.weights()}, {})
            (self.path / BEST).unlink(missing_ok=True)  # the finished checkpoint holds the same
        self.state.accelerator.wait_for_everyone()

    def export(self, tokenizer: PreTrainedTokenizerBase | None, *, anew: bool = True) -> None:
        """Save the trained model as transformers and peft do, for whoever loads the folder.

        Parameters
        ----------
        tokenizer : PreTrainedTokenizer, optional
            Saved beside it.
        anew : bool
            If False, nothing is done where a model is saved already.
        """
        model: Any = self.state.model
        wanted = anew or not (self.path / "config.json").is_file()
        if wanted and self.state.accelerator.is_main_process and hasattr(model, "save_pretrained"):
            model.save_pretrained(self.path)
            if hasattr(model, "get_base_model"):  # an adapter's own files say nothing of classes
                config = copy.deepcopy(plain(model).config)
                config.architectures = [type(plain(model)).__name__]
                config.save_pretrained(self.path)
            if tokenizer is not None:
                tokenizer.save_pretrained(self.path)
        self.state.accelerator.wait_for_everyone()

    def _check_same_run(self, stored: Mapping[str, Any]) -> None:
        now = self.description
        for key in [*now, *stored]:
            if now.get(key) != stored.get(key):
                raise ValueError(
                    f"{self.path} holds a run with {key} {stored.get(key)!r}, this one has "
                    f"{now.get(key)!r}: give another output_dir, or resume=False to start afresh"
                    f"{HINTS.get(key, '')}"
                )

    def _write(
        self, tensors: Mapping[str, Mapping[str, Tensor]], scaler: Mapping[str, Any]
    ) -> None:
        progress = self.state.progress
        checkpoints.save_checkpoint(
            self.path / CHECKPOINTS,
            progress.step,
            tensors,
            {"run": dict(self.description), "progress": asdict(progress), "scaler": dict(scaler)},
        )
