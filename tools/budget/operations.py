"""What a pass of a published model costs: operations and memory, from its configuration alone.

The model is built on PyTorch's meta device, which has shapes and no numbers, and PyTorch's own
counter adds up the products of matrices (a multiplication and an addition are two operations). A
batch's cost is a polynomial of second degree in its length, as attention is, and three lengths fix
it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, PreTrainedModel

from tlhelpers.pretrained.published import configuration

T4 = 65e12  # operations a second in fp16, by NVIDIA's data sheet
REACHED = 1 / 3  # of it; what is moved and not multiplied takes the rest
T4_SINGLE = 8.1e12  # in fp32, by the same sheet
REACHED_SINGLE = 1 / 2  # a slow product waits less for what is moved
LENGTHS = (32, 128, 256)
FLOAT32 = 4  # bytes


def minutes(operations: float, single: float = 0.0) -> float:
    """Give how long a T4 takes, if so many of the operations are in single precision."""
    half = (operations - single) / (T4 * REACHED)
    return (half + single / (T4_SINGLE * REACHED_SINGLE)) / 60


@dataclass(frozen=True)
class Cost:
    """What a model of true size costs.

    Attributes
    ----------
    hub_id : its id on the hub, or what it is called that has none.
    class_name : its class in transformers, with its head.
    classes : how many the head tells apart.
    config : of a model that was never published, its configuration as JSON.
    """

    hub_id: str
    class_name: str
    classes: int
    config: str = ""

    def operations(self, texts: int, tokens: int, *, backward: str = "none") -> float:
        """Count a pass's operations.

        ``backward``: ``"none"``, ``"all"`` weights, or ``"through"`` frozen weights to what was
        added to them (LoRA), which needs no gradient of a weight: as much again as forwards.
        """
        forward, both, _ = self._polynomials
        if backward == "none":
            return texts * float(np.polyval(forward, tokens))
        if backward == "through":
            return 2 * texts * float(np.polyval(forward, tokens))
        return texts * float(np.polyval(both, tokens))

    def activations(self, texts: int, tokens: int) -> float:
        """Give the bytes that wait for the backward pass, in float32: no less than in fp16."""
        return texts * float(np.polyval(self._polynomials[2], tokens))

    @cached_property
    def weights(self) -> int:
        """Count the weights."""
        return sum(p.numel() for p in _meta_model(self).parameters())

    @cached_property
    def layers(self) -> int:
        """Count the layers."""
        config: Any = _meta_model(self).config
        return int(config.num_hidden_layers)

    @cached_property
    def _polynomials(self) -> tuple[NDArray[np.float64], ...]:
        found = np.array([_measure(_meta_model(self), length) for length in LENGTHS])  # (3, 3)
        return tuple(np.polyfit(LENGTHS, column, 2) for column in found.T)


@cache
def cost(hub_id: str, class_name: str, classes: int, config: str = "") -> Cost:
    """Give the cost of a model, measured once."""
    return Cost(hub_id, class_name, classes, config)


@cache
def _meta_model(of: Cost) -> PreTrainedModel:
    if of.config:  # without padding: transformers would look for it, and there are no numbers
        config = AutoConfig.for_model(**json.loads(of.config) | {"pad_token_id": None})
    else:
        config = configuration(of.hub_id)
    config.num_labels = of.classes
    with torch.inference_mode(False), torch.device("meta"):
        model: PreTrainedModel = getattr(transformers, of.class_name)(config)
    return model


@torch.inference_mode(False)
@torch.enable_grad()
def _measure(model: PreTrainedModel, length: int) -> tuple[float, float, float]:
    """Count operations forwards, operations both ways and kept bytes of one text."""
    ids = torch.zeros(1, length, dtype=torch.long, device="meta")
    inputs = {"input_ids": ids}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = ids
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        model(**inputs)
    # What several operations keep is there once; a weight is there anyway, its transpose too.
    seen = {p.untyped_storage()._cdata for p in model.parameters()}
    kept = 0

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        storage = tensor.untyped_storage()
        if storage._cdata not in seen:
            seen.add(storage._cdata)
            kept += storage.nbytes()
        return tensor

    with (
        FlopCounterMode(display=False) as both,
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        outputs = model(**inputs)
        first = next(iter(outputs.values()))
        first.sum().backward()
    return forward.get_total_flops(), both.get_total_flops(), kept
