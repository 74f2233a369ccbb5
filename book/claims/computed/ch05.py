"""What settles the computed entries of chapter 5."""

from __future__ import annotations


def layers_of_the_head() -> list[str]:
    """List what BERT's classifier applies to the last hidden state of [CLS], in order.

    Read from the modules of BertForSequenceClassification (built without memory).
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    with torch.device("meta"):
        model = BertForSequenceClassification(BertConfig(num_labels=2))
    parts = [*model.bert.pooler.children(), model.dropout, model.classifier]
    return [type(part).__name__ for part in parts]


def new_parameters(labels: int) -> int:
    """Count the parameters that BERT-base gets on top of the pretrained ones for a classifier."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertModel

    with torch.device("meta"):
        whole = BertForSequenceClassification(BertConfig(num_labels=labels))
        pretrained = BertModel(BertConfig())
    return sum(p.numel() for p in whole.parameters()) - sum(
        p.numel() for p in pretrained.parameters()
    )
