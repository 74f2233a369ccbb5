"""What must work in half precision, tried in bf16 on the processor."""

import numpy as np
import pytest
import torch
from seqeval.metrics import f1_score
from torch.nn.functional import cross_entropy

from tests.tiny_models import reviews, tiny_classifier, tiny_tagger
from tests.training.runs import NO_DROPOUT, QUICK
from tlhelpers.training.fit import fit
from tlhelpers.training.prediction import evaluate

BF16 = QUICK | {"device": "cpu", "precision": "bf16"}
# bf16 keeps 8 bits of a number: products differ by up to 2 ** -8 of their size, losses by less.
ROUNDING = {"rel": 0.02}
TAGS = ["O", "B-JUDGED", "I-JUDGED"]


def weighted_loss(outputs, batch):
    return cross_entropy(outputs.logits, batch["labels"], weight=torch.tensor([0.2, 0.8]))


def tagged(tokenizer, n, seed=0):
    rows = []
    for row in reviews(n, seed):
        ids = tokenizer(row["text"])["input_ids"]
        tags = [int(13 <= i <= 18) for i in ids]
        tags = [tag and 1 + before for before, tag in zip([0, *tags], tags, strict=False)]
        labels = [-100 if i < 4 else tag for i, tag in zip(ids, tags, strict=True)]
        rows.append({"input_ids": ids, "labels": labels})
    return rows


def test_a_loss_with_class_weights_is_the_same_kind_of_number_in_validation(tokenizer):
    model, rows = tiny_classifier(**NO_DROPOUT), reviews(48)
    result = fit(
        model, rows, rows, tokenizer=tokenizer, loss_function=weighted_loss, keep_best=False,
        **BF16,
    )  # fmt: skip
    losses = result.history["validation_loss"]
    assert losses.iloc[-1] < losses.iloc[0]
    in_full = evaluate(
        model, rows, tokenizer, loss_function=weighted_loss, device="cpu", precision="fp32"
    )
    assert losses.iloc[-1] == pytest.approx(in_full["loss"], **ROUNDING)


def test_an_own_loss_sees_the_same_logits_in_training_and_in_validation(tokenizer):
    """Logits of 16 bits, and products in 16 bits of whatever the loss multiplies itself."""
    seen = []

    def watched(outputs, batch):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
        seen.append((torch.is_grad_enabled(), outputs.logits.dtype, product.dtype))
        return weighted_loss(outputs, batch)

    rows = reviews(16)
    how = BF16 | {"epochs": 1}
    fit(tiny_classifier(), rows, rows, tokenizer=tokenizer, loss_function=watched, **how)
    assert seen == [(True, *[torch.bfloat16] * 2), (False, *[torch.bfloat16] * 2)]


def test_default_metrics_are_those_of_full_precision(tokenizer):
    model, rows = tiny_classifier(**NO_DROPOUT), reviews(64, seed=1)
    result = fit(model, reviews(128), rows, tokenizer=tokenizer, keep_best=False, **BF16)
    in_full = evaluate(model, rows, tokenizer, device="cpu", precision="fp32")
    last = result.history.iloc[-1]
    assert last["validation_loss"] == pytest.approx(in_full["loss"], **ROUNDING)
    # One text of 64 may lie so near the border that rounding moves it.
    assert last["validation_accuracy"] == pytest.approx(in_full["accuracy"], abs=1.5 / 64)
    assert last["validation_macro_f1"] == pytest.approx(in_full["macro_f1"], abs=0.03)


def test_entities_are_counted_as_in_full_precision(tokenizer):
    def entity_f1(logits, labels):
        assert logits.dtype == np.float32
        words = labels != -100
        named = [
            [[TAGS[t] for t in row[keep]] for row, keep in zip(rows, words, strict=True)]
            for rows in (labels, logits.argmax(-1))
        ]
        return {"f1": f1_score(*named, zero_division=0)}

    train, held_out = tagged(tokenizer, 96), tagged(tokenizer, 32, seed=1)
    for metrics in (None, entity_f1):
        model = tiny_tagger(id2label=dict(enumerate(TAGS)), **NO_DROPOUT)
        result = fit(
            model, train, held_out, tokenizer=tokenizer, metrics=metrics, best_metric="f1",
            **BF16 | {"epochs": 6},
        )  # fmt: skip
        in_full = evaluate(model, held_out, tokenizer, metrics, device="cpu", precision="fp32")
        best = result.history["validation_f1"].max()
        assert best > 0.7  # most entities are one word, and those it learns
        assert best == pytest.approx(in_full["f1"], abs=0.05)  # one or two of 32 entities
