import numpy as np
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertForMaskedLM,
    BertForSequenceClassification,
)
from transformers.modeling_outputs import SequenceClassifierOutput

from tests.tiny_models import bert_config, reviews, tiny_classifier, tiny_tagger
from tests.training.runs import NO_DROPOUT
from tlhelpers.training.fit import fit
from tlhelpers.training.prediction import predict
from tlhelpers.training.unread_tokens import READ_THE_FIRST_TOKEN, skip_unread_tokens

SMALL = {
    "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 32, "embedding_size": 16, "max_position_embeddings": 40,
    "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "pad_token_id": 1,
}  # fmt: skip
SMALL_DISTILBERT = {
    "vocab_size": 40, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32,
    "max_position_embeddings": 40, "dropout": 0.0, "attention_dropout": 0.0,
    "seq_classif_dropout": 0.0,
}  # fmt: skip


def batch():
    torch.manual_seed(1)
    ids = torch.randint(2, 40, (4, 9))
    mask = torch.ones_like(ids)
    mask[1, 5:] = mask[3, 2:] = 0
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([0, 1, 1, 0])}


@pytest.mark.parametrize("kind", sorted(READ_THE_FIRST_TOKEN))
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_logits_and_gradients_are_those_of_the_whole_computation(kind, attention):
    small = SMALL_DISTILBERT if kind == "distilbert" else SMALL
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **small)
    model = AutoModelForSequenceClassification.from_config(config, attn_implementation=attention)
    whole = model(**batch())
    whole.loss.backward()
    wanted = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    with skip_unread_tokens(model) as active:
        assert active
        part = model(**batch())
        part.loss.backward()
    # Float32 sums over fewer zeros, and in another order.
    torch.testing.assert_close(part.logits, whole.logits, atol=1e-6, rtol=1e-5)
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert found.keys() == wanted.keys()
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name], atol=1e-6, rtol=1e-4)


def test_the_last_feed_forward_sees_one_token_and_only_meanwhile():
    model, seen = tiny_classifier(), []
    last = model.bert.encoder.layer[-1].intermediate
    last.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[1]))
    with skip_unread_tokens(model):
        model(input_ids=batch()["input_ids"] % 22)
    model(input_ids=batch()["input_ids"] % 22)
    assert seen == [1, 9]


class BertMeanForSequenceClassification(BertForSequenceClassification):
    """Reads the mean over all tokens instead of the first one."""

    def forward(self, input_ids=None, attention_mask=None, labels=None, **others):
        hidden = self.bert(input_ids, attention_mask=attention_mask)[0]  # (B, L, H)
        logits = self.classifier(hidden.mean(1))
        loss = None if labels is None else torch.nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


class Whole(torch.nn.Linear):
    """A head of one's own."""


def with_own_head():
    model = tiny_classifier()
    model.classifier = Whole(16, 2)
    return model


def with_own_forward():
    model = tiny_classifier()
    model.forward = lambda **batch: model.bert(**batch)
    return model


def test_a_subclass_that_reads_all_tokens_trains_and_scores_as_written(tokenizer):
    def make():
        torch.manual_seed(0)
        return BertMeanForSequenceClassification(bert_config(**NO_DROPOUT))

    rows = reviews(16)
    model = make()
    with torch.no_grad():
        tokens = tokenizer([row["text"] for row in rows], padding=True, return_tensors="pt")
        alone = make().eval()(tokens["input_ids"], tokens["attention_mask"]).logits
    np.testing.assert_allclose(
        predict(model, {"text": [row["text"] for row in rows]}, tokenizer), alone, atol=1e-5
    )
    wanted = make()
    loss = wanted(**tokens, labels=torch.tensor([row["label"] for row in rows])).loss.detach()
    result = fit(
        model, rows, rows, tokenizer=tokenizer, learning_rate=1e-12, epochs=1, progress=False
    )
    assert result.history["train_loss"].iloc[0] == pytest.approx(float(loss), rel=1e-5)
    assert result.history["validation_loss"].iloc[0] == pytest.approx(float(loss), rel=1e-5)
    assert "validation_accuracy" in result.history


@pytest.mark.parametrize(
    "make",
    [
        lambda: BertMeanForSequenceClassification(bert_config()),
        with_own_head,
        with_own_forward,
        tiny_tagger,  # reads every token
        lambda: BertForMaskedLM(bert_config()),
        lambda: tiny_classifier(output_hidden_states=True),  # someone wants to see them
        lambda: tiny_classifier(chunk_size_feed_forward=4),
        lambda: tiny_classifier().bert,
        lambda: torch.nn.Linear(2, 2),
    ],
)
def test_nothing_is_left_out_where_it_is_read(make):
    with skip_unread_tokens(make()) as active:
        assert not active


def test_it_works_with_checkpointed_activations():
    model = tiny_classifier(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).train()
    model.activation_checkpointing_enable()
    with skip_unread_tokens(model):
        model(input_ids=batch()["input_ids"] % 22, labels=batch()["labels"]).loss.backward()
    assert all(p.grad is not None for p in model.bert.encoder.parameters())
