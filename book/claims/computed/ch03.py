"""What settles the computed entries of chapter 3."""

from __future__ import annotations

from typing import Any

# Miniature shapes: whether one position can see another does not depend on the size.
_SHAPE: dict[str, Any] = {
    "vocab_size": 16,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
_KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "BERT": ("Bert", _SHAPE),
    "RoBERTa": ("Roberta", _SHAPE),
    "GPT": ("GPT2", {"vocab_size": 16, "n_embd": 8, "n_layer": 2, "n_head": 2}),
    "LLaMA": ("Llama", _SHAPE | {"num_key_value_heads": 2}),
    "Mistral": ("Mistral", _SHAPE | {"num_key_value_heads": 2}),
    "Falcon": ("Falcon", {k: v for k, v in _SHAPE.items() if k != "intermediate_size"}),
}


def later_word_changes_earlier_vector(model: str) -> bool:
    """Say whether replacing the last word changes the vector of the first.

    True for attention in both directions, false for attention to the left only.
    """
    import torch
    import transformers

    name, settings = _KINDS[model]
    config = getattr(transformers, f"{name}Config")(
        **settings, pad_token_id=0, bos_token_id=1, eos_token_id=1
    )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        network = getattr(transformers, f"{name}Model")(config).eval()
        first, changed = torch.tensor([[3, 4, 5]]), torch.tensor([[3, 4, 9]])
        vectors = [network(input_ids=ids).last_hidden_state[0, 0] for ids in (first, changed)]
    return not bool(torch.allclose(vectors[0], vectors[1], atol=1e-6))


def which_look_ahead(models: list[str]) -> list[str]:
    """Return those of the models in which a later word reaches an earlier one."""
    return [model for model in models if later_word_changes_earlier_vector(model)]
