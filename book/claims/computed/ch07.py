"""What settles the computed entries of chapter 7."""

from __future__ import annotations

import warnings
from typing import Any, Literal


def strategies_described() -> int:
    """Count the strategies that section 7 of the text describes, each with a box for its use.

    Read from the record of what stands in the section, ``book/claims/coverage``.
    """
    from pathlib import Path

    from tlhelpers.yaml_files import read_yaml

    (record,) = (Path(__file__).parents[1] / "coverage").glob("07-*.yaml")
    items: Any = read_yaml(record)
    return sum(item["kind"] == "callout" for item in items)


def _bert_base() -> Any:  # noqa: ANN401
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    with torch.device("meta"):
        return BertForSequenceClassification(BertConfig(num_labels=2))


def lora_percent(rank: int) -> float:
    """Return the share of the update matrices in BERT-base with LoRA on query and value.

    r (in + out) for each such layer (Hu et al. 2021, section 4.1); the new classifier, trained as
    well, is left out.
    """
    model = _bert_base()
    added = sum(
        rank * (module.in_features + module.out_features)
        for name, module in model.named_modules()
        if name.endswith((".query", ".value"))
    )
    return round(100 * added / (sum(p.numel() for p in model.parameters()) + added), 2)


def bottleneck_adapter_percent(width: int) -> float:
    """Return the share of two bottleneck adapters a layer in BERT-base.

    An adapter has 2 d m + d + m parameters (Houlsby et al. 2019, section 2.1), d = 768.
    """
    from tlhelpers.subjects.strategies import adapter_parameters

    added = adapter_parameters(768, width, layers=12)
    return round(100 * added / (sum(p.numel() for p in _bert_base().parameters()) + added), 2)


def prefix_percent(length: int) -> float:
    """Return the share of a prefix of keys and values in each layer of BERT-base."""
    added = 12 * 2 * length * 768
    return round(100 * added / (sum(p.numel() for p in _bert_base().parameters()) + added), 2)


def operations(step: Literal["forward", "full", "LoRA"], tokens: int = 128) -> int:
    """Count the operations of BERT-base on one text, as PyTorch's own counter does.

    ``forward`` is a pass without gradients, ``full`` a training step of all weights, ``LoRA`` one
    of factors of rank 8 on query and value and of the new classifier. On the meta device.
    """
    import torch
    from peft import LoraConfig, TaskType, get_peft_model
    from torch.utils.flop_counter import FlopCounterMode

    model: Any = _bert_base()
    if step == "LoRA":
        settings = LoraConfig(task_type=TaskType.SEQ_CLS, r=8, target_modules=["query", "value"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # peft asks transformers for an attribute's old name
            model = get_peft_model(model, settings)
    ids = torch.zeros(1, tokens, dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(step != "forward"):
        logits = model.to("meta")(input_ids=ids).logits
        if step != "forward":
            logits.sum().backward()
    return int(counter.get_total_flops())


def arithmetic_with_frozen_weights() -> float:
    """Return the arithmetic of a training step with LoRA against that of a full one."""
    return round(operations("LoRA") / operations("full"), 3)


def arithmetic_of_frozen_features(epochs: int) -> float:
    """Return the arithmetic of one forward pass against full fine-tuning for some epochs."""
    return round(operations("forward") / (epochs * operations("full")), 3)
