"""Files that a training run can go on from: safetensors and JSON, each whole or not there."""

import json
import math
import os
import random
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half of it."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(part, path)


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file, whole or not at all."""
    part = path.with_name(path.name + ".part")
    save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, part)
    os.replace(part, path)


def weights(model: nn.Module, names: Iterable[str]) -> dict[str, Tensor]:
    """Return the named parameters and all buffers, which batch norms change too.

    Parameters
    ----------
    model : nn.Module
        Any model.
    names : iterable of str
        Of the parameters.

    Returns
    -------
    dict of Tensor
        Not a copy: the tensors change as training goes on.
    """
    parameters = dict(model.named_parameters())
    state = model.state_dict()
    buffers = {name: buffer for name, buffer in model.named_buffers() if name in state}
    return {name: parameters[name].detach() for name in names} | buffers


def load_weights(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy tensors into the parameters and buffers of the same names.

    Parameters
    ----------
    model : nn.Module
        Changed in place.
    tensors : mapping
        Name and values.

    Raises
    ------
    ValueError
        If the model lacks one of them or has another shape.
    """
    there = dict(model.named_parameters()) | dict(model.named_buffers())
    with torch.no_grad():
        for name, tensor in tensors.items():
            if name not in there or there[name].shape != tensor.shape:
                shape = tuple(there[name].shape) if name in there else "none"
                raise ValueError(
                    f"the checkpoint has {name} of shape {tuple(tensor.shape)}, the model {shape}: "
                    "load the model that the run was started with, or use another output_dir"
                )
            there[name].copy_(tensor)


def optimizer_state(optimizer: Optimizer, names: Mapping[Tensor, str]) -> dict[str, Tensor]:
    """Return an optimiser's tensors under the names of the parameters they belong to."""
    return {
        f"{names[parameter]}|{key}": value
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }


def load_optimizer_state(
    optimizer: Optimizer, names: Mapping[Tensor, str], tensors: Mapping[str, Tensor]
) -> None:
    """Put back what :func:`optimizer_state` gave."""
    parameters = {name: parameter for parameter, name in names.items()}
    for key, value in tensors.items():
        name, _, entry = key.rpartition("|")
        parameter = parameters[name]
        fused = any(group.get("fused") for group in optimizer.param_groups)
        # Only fused optimisers keep their step count on the device of the weights.
        there = value if entry == "step" and not fused else value.to(parameter.device)
        optimizer.state[parameter][entry] = there


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the state of every random generator that training draws from, as tensors."""
    version, words, gauss = random.getstate()
    words_numpy: Any = np.random.get_state(legacy=True)
    _, keys, position, has_gauss, cached = words_numpy
    # A normal number that was drawn ahead; nan stands for none.
    ahead = torch.tensor([math.nan if gauss is None else gauss, cached], dtype=torch.float64)
    state = {
        "torch": torch.get_rng_state(),
        "python": torch.tensor([version, *words], dtype=torch.int64),
        "numpy": torch.tensor([*keys.tolist(), position, has_gauss], dtype=torch.int64),
        # As its bits: Apple GPUs, which this passes through when processes gather, lack float64.
        "ahead": ahead.view(torch.int64),
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def load_random_state(state: Mapping[str, Tensor], device: torch.device) -> None:
    """Put back what :func:`random_state` gave."""
    torch.set_rng_state(state["torch"].cpu())
    gauss, cached = state["ahead"].cpu().view(torch.float64).tolist()
    version, *words = state["python"].tolist()
    random.setstate((version, tuple(words), None if math.isnan(gauss) else gauss))
    *keys, position, has_gauss = state["numpy"].tolist()
    np.random.set_state(("MT19937", np.array(keys, np.uint32), position, has_gauss, cached))
    if "cuda" in state and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
    elif "mps" in state and device.type == "mps":
        torch.mps.set_rng_state(state["mps"].cpu())


def save_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]
) -> Path:
    """Write a checkpoint next to the older ones, then remove those.

    Parameters
    ----------
    folder : Path
        Holds the checkpoints of one run.
    step : int
        Updates done.
    tensors : mapping
        File name (without ending) to tensors.
    state : mapping
        Everything else, as JSON.

    Returns
    -------
    Path
        The checkpoint's folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target, part = folder / f"step-{step:08d}", folder / "unfinished"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for name, content in tensors.items():
        # An empty safetensors file is valid, but says nothing.
        if content:
            save_file(
                {k: v.cpu().contiguous() for k, v in content.items()}, part / f"{name}.safetensors"
            )
    write_json(part / "state.json", state)
    for file in part.iterdir():  # on the disk before the rename is, or a power cut leaves holes
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
    while target.exists():  # never remove the only good one before the new one is there
        target = target.with_name(target.name + "+")
    os.replace(part, target)
    for older in sorted(folder.glob("step-*"))[:-1]:
        shutil.rmtree(older, ignore_errors=True)
    return target


def load_checkpoint(
    folder: Path,
) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]] | None:
    """Read the latest checkpoint of a run; None if there is none."""
    found = sorted(folder.glob("step-*"))
    if not found:
        return None
    state = json.loads((found[-1] / "state.json").read_text())
    return {file.stem: load_file(file) for file in found[-1].glob("*.safetensors")}, state
