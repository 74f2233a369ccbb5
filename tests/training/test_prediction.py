import numpy as np
import pytest
import torch

from tests.tiny_models import reviews, tiny_classifier
from tests.training.runs import same, state
from tlhelpers.training.encoding import encode
from tlhelpers.training.prediction import evaluate, predict


def test_predictions_come_in_the_order_of_the_data(tokenizer):
    model, rows = tiny_classifier().eval(), reviews(50)
    logits = predict(model, rows, tokenizer, batch_size=8)
    assert logits.shape == (50, 2)
    for row, found in zip(rows, logits, strict=True):
        with torch.no_grad():
            alone = model(**tokenizer(row["text"], return_tensors="pt")).logits[0]
        # Padding changes the order of float32 additions, nothing else.
        np.testing.assert_allclose(found, alone, atol=1e-5)


def test_a_list_of_strings_can_be_predicted(tokenizer):
    model = tiny_classifier()
    assert predict(model, ["a good film", "bad"], tokenizer).shape == (2, 2)


def test_evaluation_leaves_the_model_as_it_was(tokenizer):
    model = tiny_classifier().train()
    before = state(model)
    scores = evaluate(model, reviews(16), tokenizer)
    assert set(scores) == {"loss", "accuracy", "macro_f1"}
    assert model.training
    assert same(before, state(model))


def test_evaluated_loss_does_not_depend_on_the_batch_size(tokenizer):
    model, rows = tiny_classifier(), reviews(50)
    losses = [evaluate(model, rows, tokenizer, batch_size=size)["loss"] for size in (1, 7, 50)]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)


def test_encoding_is_the_same_for_fit_and_predict(tokenizer):
    rows = reviews(8)
    assert (
        encode(rows, tokenizer, tiny_classifier()).fingerprint()
        == encode(rows, tokenizer, tiny_classifier(), name="evaluation").fingerprint()
    )
