"""Where `peft` put its factors, and what a model takes in four bits: for models of any size.

Adapters are made, saved, merged and switched by `peft`, and trained by
:func:`tlhelpers.training.fit.fit`. What is here only looks, also at a model of
:func:`tlhelpers.pretrained.models.meta_model`, which no machine has to hold.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

if TYPE_CHECKING:
    from peft import PeftModel

# Sixty-four weights share a scale of 8 bits, and 256 of these a scale of 32 (Dettmers et al. 2023,
# section 3, double quantisation, https://arxiv.org/abs/2305.14314).
BITS_OF_NF4 = 4 + 8 / 64 + 32 / (64 * 256)


def adapted(model: PeftModel, adapter: str = "default") -> pd.DataFrame:
    """List where an adapter's factors are, place by place.

    A configuration names ends of module names, and more modules may end so than was meant.

    Parameters
    ----------
    model : PeftModel
        With LoRA, from ``get_peft_model`` or ``tl.lora.adapt``.
    adapter : str
        Which of its adapters.

    Returns
    -------
    DataFrame
        Columns ``place`` (a module's name, with a star for the number of its layer), ``d_out`` and
        ``d_in`` of the frozen matrix, ``modules`` (how many are in that place), and ``numbers``
        (what the adapter trains in them). What it trains beside its factors, such as the head of a
        classifier, is not listed.

    Raises
    ------
    ValueError
        If the model has no adapter of that name.
    """
    from peft.tuners.lora import LoraLayer

    if adapter not in model.peft_config:
        raise ValueError(
            f"the model has no adapter {adapter!r}: there is {', '.join(model.peft_config)}"
        )
    base: nn.Module = model.get_base_model()
    rows = []
    for name, module in base.named_modules():
        parts = module.named_parameters()
        if isinstance(module, LoraLayer):
            numbers = sum(
                weight.numel()
                for part, weight in parts
                if part.startswith("lora_") and adapter in part.split(".")
            )
            if numbers:
                place = re.sub(r"\.\d+(?=\.)", ".*", name)
                rows.append((place, module.out_features, module.in_features, numbers))
    table = pd.DataFrame(rows, columns=["place", "d_out", "d_in", "numbers"])
    places = table.groupby(["place", "d_out", "d_in"], sort=False)["numbers"]
    return places.agg(modules="size", numbers="sum").reset_index()


def bytes_in_four_bits(model: PreTrainedModel) -> float:
    """Give the memory of a model's weights as QLoRA keeps them.

    Parameters
    ----------
    model : PreTrainedModel
        Any model, also on the meta device.

    Returns
    -------
    float
        Bytes: `BITS_OF_NF4` for each number of a linear layer that transformers would convert, and
        16 bits for all others. Embeddings, norms and the output matrix stay as they are.
    """
    from transformers.quantizers.base import get_keys_to_not_convert

    kept = set(get_keys_to_not_convert(model))
    converted = sum(
        module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and name not in kept
    )
    total = sum(weight.numel() for weight in model.parameters())
    return converted * BITS_OF_NF4 / 8 + (total - converted) * 2
