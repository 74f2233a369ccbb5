"""What settles the computed entries of chapter 9."""

from __future__ import annotations


def layer_blind_to_other_words() -> int:
    """Replace one word of a sentence: the only layer whose other vectors stay as they were.

    A BERT of three layers with random weights answers: the wiring decides this, not the training.
    """
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
    )
    model = BertModel(config).eval()
    one, other = torch.tensor([[3, 7, 9, 4]]), torch.tensor([[3, 8, 9, 4]])
    with torch.no_grad():
        pairs = zip(
            model(one, output_hidden_states=True).hidden_states,
            model(other, output_hidden_states=True).hidden_states,
            strict=True,
        )
        blind = [layer for layer, (a, b) in enumerate(pairs) if torch.equal(a[0, 2], b[0, 2])]
    (only,) = blind
    return only


def silver_score(name: str) -> float:
    """Read the tagger's published score from the file that comes with it, in per cent."""
    from tlhelpers.corpora.silver_tags import published_accuracy

    return round(100 * published_accuracy()[name], 1)
