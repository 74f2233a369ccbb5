import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset
from transformers import (
    DataCollatorForLanguageModeling,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    GPT2Config,
    GPT2ForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
    RobertaConfig,
    RobertaForTokenClassification,
)

from tests.tiny_models import (
    reviews,
    tiny_causal_model,
    tiny_classifier,
    tiny_masked_model,
    tiny_seq2seq,
    tiny_tagger,
    tiny_tokenizer,
)
from tests.training.runs import same, state
from tlhelpers.metrics import IGNORED
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


def test_a_collator_does_not_switch_the_metrics_off(tokenizer):
    model, rows = tiny_classifier(), reviews(50)
    padded = evaluate(
        model, rows, tokenizer, collator=DataCollatorWithPadding(tokenizer), batch_size=8
    )
    assert padded == pytest.approx(evaluate(model, rows, tokenizer, batch_size=8), rel=1e-5)
    assert "accuracy" in padded


def test_a_collator_of_token_labels_gives_the_same_scores(tokenizer):
    rows = []
    for row in reviews(20):
        ids = tokenizer(row["text"])["input_ids"]
        rows.append({"input_ids": ids, "labels": [-100 if i < 4 else i % 3 for i in ids]})
    model, collator = tiny_tagger(), DataCollatorForTokenClassification(tokenizer)
    with_it = evaluate(model, rows, tokenizer, collator=collator, batch_size=4)
    assert with_it == pytest.approx(evaluate(model, rows, tokenizer, batch_size=4), rel=1e-5)


def test_metrics_see_the_words_that_a_collator_masks(tokenizer):
    def of_masked(predicted, labels):
        assert predicted.shape == labels.shape
        masked = labels != IGNORED
        assert 0 < masked.mean() < 0.6
        return {"accuracy": float((predicted == labels)[masked].mean())}

    data = {"text": [row["text"] for row in reviews(32)]}
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.3)
    scores = evaluate(
        tiny_masked_model(), data, tokenizer, of_masked, collator=collator, batch_size=8
    )
    assert set(scores) == {"loss", "accuracy"}


def test_a_sequence_to_sequence_model_is_scored_on_what_it_writes(tokenizer):
    rows = []
    for row in reviews(20):
        tokens = tokenizer(row["text"], return_token_type_ids=False)
        rows.append({**tokens, "labels": [14, 5, 3] if row["label"] else [17, 3]})
    seen = []

    def of_tokens(predicted, labels):
        seen.append((predicted.shape, labels.tolist()))
        return {"accuracy": float((predicted == labels)[labels != IGNORED].mean())}

    model = tiny_seq2seq().eval()
    scores = evaluate(model, rows, tokenizer, of_tokens, batch_size=4)
    wanted = [row["labels"] + [IGNORED] * (3 - len(row["labels"])) for row in rows]
    assert seen == [((20, 3), wanted)]
    with torch.no_grad():
        right = [
            model(
                input_ids=torch.tensor([row["input_ids"]]), labels=torch.tensor([row["labels"]])
            ).logits[0].argmax(-1) == torch.tensor(row["labels"])
            for row in rows
        ]  # fmt: skip
    assert scores["accuracy"] == pytest.approx(float(torch.cat(right).float().mean()))


def test_whole_numbers_of_a_regression_are_scored_as_numbers(tokenizer):
    stars = [{"text": row["text"], "label": 1 + 4 * row["label"]} for row in reviews(16)]
    decimal = [{**row, "label": float(row["label"])} for row in stars]
    model = tiny_classifier(num_labels=1)
    scores = evaluate(model, stars, tokenizer)
    assert set(scores) == {"loss"}  # the mean squared error; no accuracy of classes
    assert scores == evaluate(model, decimal, tokenizer)


def test_a_collator_without_labels_says_what_metrics_need(tokenizer):
    def unlabelled(rows):
        return tokenizer.pad([{"input_ids": row["input_ids"]} for row in rows], return_tensors="pt")

    with pytest.raises(ValueError, match="metrics need labels, and the collator gave only input_"):
        evaluate(
            tiny_classifier(), reviews(4), tokenizer, collator=unlabelled,
            loss_function=lambda outputs, batch: outputs.logits.mean(),
        )  # fmt: skip


def tiny_gpt2_classifier():
    return GPT2ForSequenceClassification(
        GPT2Config(
            vocab_size=22, n_embd=16, n_layer=2, n_head=2, n_positions=32, pad_token_id=0,
            bos_token_id=2, eos_token_id=3, initializer_range=0.5,
        )
    )  # fmt: skip


def tiny_llama_classifier():
    return LlamaForSequenceClassification(
        LlamaConfig(
            vocab_size=22, hidden_size=16, intermediate_size=16, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=32, pad_token_id=0,
            initializer_range=0.5,
        )
    )  # fmt: skip


def tiny_roberta_tagger():
    return RobertaForTokenClassification(
        RobertaConfig(
            vocab_size=22, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=16, max_position_embeddings=33, pad_token_id=0,
            initializer_range=0.5,
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    "make",
    [tiny_gpt2_classifier, tiny_llama_classifier, tiny_roberta_tagger],
)
def test_texts_padded_on_the_left_are_predicted_as_they_are_alone(make):
    torch.manual_seed(0)
    model, tokenizer = make().eval(), tiny_tokenizer()
    tokenizer.padding_side = "left"
    texts = [row["text"] for row in reviews(12)]
    together = predict(model, texts, tokenizer)
    for text, found in zip(texts, together, strict=True):
        alone = predict(model, text, tokenizer)[0]
        # Padding changes the order of float32 additions, nothing else.
        np.testing.assert_allclose(found[: len(alone)], alone, atol=1e-5)


@pytest.mark.parametrize("side", ["right", "left"])
def test_tokens_without_a_mask_are_predicted_as_they_are_alone(side):
    model, tokenizer = tiny_classifier(initializer_range=0.5).eval(), tiny_tokenizer()
    tokenizer.padding_side = side
    ids = tokenizer([row["text"] for row in reviews(12)])["input_ids"]
    with torch.no_grad():
        alone = torch.cat([model(input_ids=torch.tensor([row])).logits for row in ids])
    filled = tokenizer.pad({"input_ids": ids}, return_tensors="pt")["input_ids"]
    assert filled.shape[1] > min(map(len, ids)), "nothing is padded"
    if side == "right":  # on the left the first word has another place
        for data in ({"input_ids": ids}, TensorDataset(filled)):
            # Padding changes the order of float32 additions, nothing else.
            np.testing.assert_allclose(predict(model, data, tokenizer), alone, atol=1e-5)
    masks = [
        encode(data, tokenizer, model, need_labels=False)
        for data in ({"input_ids": ids}, TensorDataset(filled))
    ]
    wanted = encode(
        {"text": [row["text"] for row in reviews(12)]}, tokenizer, model, need_labels=False
    )
    everything = np.arange(12)
    for found in masks:
        mask = found.batch(everything)["attention_mask"]
        assert torch.equal(mask, wanted.batch(everything)["attention_mask"])


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
    shapes = []
    evaluate(make(), labelled, metrics=lambda predicted, _: shapes.append(predicted.shape) or {})
    assert shapes == [(1, 3)], "the pieces predicted"
    assert evaluate(make(), labelled)["loss"] > 0
