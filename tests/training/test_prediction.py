import numpy as np
import pytest
import torch
from transformers import DataCollatorForLanguageModeling

from tests.tiny_models import (
    reviews,
    tiny_causal_model,
    tiny_classifier,
    tiny_masked_model,
    tiny_seq2seq,
)
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


def short_of_memory(model):
    """Let no forward pass of more than four texts through; return the sizes that were tried."""
    sizes = []

    def look(module, inputs, named):
        sizes.append(len(named["input_ids"]))
        if sizes[-1] > 4:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")

    model.register_forward_pre_hook(look, with_kwargs=True)
    return sizes


def test_evaluation_goes_on_in_smaller_batches_when_memory_runs_out(tokenizer):
    model, rows = tiny_classifier(), reviews(50)
    scores, logits = evaluate(model, rows, tokenizer), predict(model, rows, tokenizer)
    sizes = short_of_memory(model)
    # Other batches, other padding: only the order of additions differs.
    assert evaluate(model, rows, tokenizer, batch_size=16) == pytest.approx(scores, rel=1e-5)
    assert sizes[:3] == [16, 8, 4]
    assert max(sizes[2:]) == 4, "and small from then on"
    np.testing.assert_allclose(predict(model, rows, tokenizer, batch_size=16), logits, atol=1e-5)


def test_words_that_a_collator_masked_stay_masked_when_memory_runs_out(tokenizer):
    collator = DataCollatorForLanguageModeling(tokenizer)
    model, rows = tiny_masked_model(), [{"text": row["text"]} for row in reviews(32)]
    whole = evaluate(model, rows, tokenizer, collator=collator, batch_size=16)
    short_of_memory(model)
    less = evaluate(model, rows, tokenizer, collator=collator, batch_size=16)
    assert less["loss"] == pytest.approx(whole["loss"], rel=1e-5)


def test_one_text_that_is_too_large_is_an_error(tokenizer, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("CUDA out of memory.")

    model = tiny_classifier()
    monkeypatch.setattr(model, "forward", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        evaluate(model, [{"input_ids": [2, 5, 3], "labels": 0}])


@pytest.mark.parametrize("make", [tiny_causal_model, tiny_masked_model, tiny_seq2seq])
def test_no_logits_over_a_vocabulary_are_kept(tokenizer, make):
    rows = [{"text": row["text"]} for row in reviews(8)]
    with pytest.raises(ValueError, match=r"22 logits a token, too many to keep .*argmax"):
        predict(make(), rows, tokenizer)
    labelled = {"input_ids": [[2, 5, 3]], "labels": [[2, 5, 3]]}
    with pytest.raises(ValueError, match="metrics cannot have them: take evaluate's loss"):
        evaluate(make(), labelled, metrics=lambda logits, labels: {})
    assert evaluate(make(), labelled)["loss"] > 0
