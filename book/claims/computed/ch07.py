"""What settles the computed entries of chapter 7."""

from __future__ import annotations

from typing import Any

STRATEGIES = (
    "frozen features",
    "full fine-tuning",
    "gradual unfreezing",
    "parameter-efficient fine-tuning",
    "domain-adaptive pretraining",
    "prompting",
)


def strategies_described() -> int:
    """Count the strategies that the section describes under its heading."""
    return len(STRATEGIES)


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
    one = 2 * 768 * width + 768 + width
    added = 12 * 2 * one
    return round(100 * added / (sum(p.numel() for p in _bert_base().parameters()) + added), 2)


def prefix_percent(length: int) -> float:
    """Return the share of a prefix of keys and values in each layer of BERT-base."""
    added = 12 * 2 * length * 768
    return round(100 * added / (sum(p.numel() for p in _bert_base().parameters()) + added), 2)


def arithmetic_with_frozen_weights() -> float:
    """Return the arithmetic of a training step with frozen weights against that of a full one.

    Per parameter and token a forward pass takes 2 operations, the gradients of the activations 2
    and those of the weights 2 (Kaplan et al. 2020, section 2.1). Frozen weights save the last.
    """
    forward, activations, weights = 2, 2, 2
    return round((forward + activations) / (forward + activations + weights), 3)


def arithmetic_of_frozen_features(epochs: int) -> float:
    """Return the arithmetic of one forward pass against full fine-tuning for some epochs."""
    return round(2 / (6 * epochs), 3)
