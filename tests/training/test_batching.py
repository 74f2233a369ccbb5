import numpy as np
import pytest
import torch
from transformers import DataCollatorForLanguageModeling, DataCollatorWithPadding

from tests.tiny_models import (
    reviews,
    tiny_causal_model,
    tiny_classifier,
    tiny_tagger,
    tiny_tokenizer,
)
from tlhelpers.training.batching import count_labels, epoch_order, length_order
from tlhelpers.training.encoding import encode


def test_a_batch_equals_that_of_the_library_collator(tokenizer):
    rows, model = reviews(8), tiny_classifier()
    ours = encode(rows, tokenizer, model).batch(np.array([5, 2, 7]))
    theirs = DataCollatorWithPadding(tokenizer)(
        [{**tokenizer(rows[i]["text"]), "label": rows[i]["label"]} for i in (5, 2, 7)]
    )
    for key in ("input_ids", "attention_mask", "labels"):
        assert torch.equal(ours[key], theirs[key])


def test_left_padding_is_left(tokenizer):
    left = tiny_tokenizer()
    left.padding_side = "left"
    batch = encode([{"text": "good"}, {"text": "a good film"}], left, need_labels=False).batch(
        np.arange(2)
    )
    assert batch["input_ids"][0].tolist()[:2] == [0, 0]
    assert batch["attention_mask"].tolist() == [[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]]


def test_token_labels_are_padded_with_minus_100():
    data = {
        "input_ids": [[2, 5, 3], [2, 5, 6, 7, 3]],
        "labels": [[-100, 1, -100], [-100, 0, 1, 2, -100]],
    }
    batch = encode(data, None, tiny_tagger()).batch(np.arange(2))
    assert batch["labels"][0].tolist() == [-100, 1, -100, -100, -100]


def test_the_mean_in_a_causal_loss_leaves_the_first_token_out(tokenizer):
    model = tiny_causal_model()
    batch = encode({"text": ["a good film", "bad"]}, tokenizer, model).batch(np.arange(2))
    count = count_labels(batch, model)
    assert count == (5 - 1) + (3 - 1)
    outputs = model(**batch)
    losses = torch.nn.functional.cross_entropy(
        outputs.logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten(), reduction="sum"
    )
    assert outputs.loss.item() == pytest.approx(losses.item() / count, rel=1e-5)  # float32


@pytest.mark.parametrize("bucketing", [True, False])
def test_an_epoch_deals_every_example_once(bucketing):
    lengths = np.random.default_rng(0).integers(3, 60, 1003)
    batches = epoch_order(lengths, 8, seed=1, epoch=2, bucketing=bucketing)
    assert sorted(np.concatenate(batches)) == list(range(1003))
    assert sorted(len(batch) for batch in batches) == [3, *[8] * 125]


def test_the_order_is_a_function_of_seed_and_epoch():
    lengths = np.random.default_rng(0).integers(3, 60, 100)

    def order(seed, epoch):
        return np.concatenate(epoch_order(lengths, 8, seed=seed, epoch=epoch)).tolist()

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_buckets_need_a_third_of_the_padding_at_most():
    lengths = np.random.default_rng(0).integers(3, 60, 2000)

    def padding(bucketing):
        batches = epoch_order(lengths, 32, seed=0, epoch=0, bucketing=bucketing)
        return sum(int((lengths[b].max() - lengths[b]).sum()) for b in batches)

    assert padding(True) < padding(False) / 3


def test_without_shuffling_the_data_set_keeps_its_order():
    batches = epoch_order(np.ones(10), 4, seed=0, epoch=0, bucketing=False, shuffle=False)
    assert np.concatenate(batches).tolist() == list(range(10))


def test_evaluation_starts_with_the_longest():
    batches = list(length_order(np.array([3, 9, 5, 7]), 2))
    assert [batch.tolist() for batch in batches] == [[1, 3], [2, 0]]


def test_a_collator_gets_lists_and_makes_the_labels(tokenizer):
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.5)
    examples = encode([{"text": "a good film"}] * 4, tokenizer, collator=collator)
    batch = examples.batch(np.arange(4), collator)
    assert (batch["labels"] != -100).any()


def test_a_fingerprint_tells_data_sets_apart(tokenizer):
    one, same, other = (encode(reviews(8, seed), tokenizer) for seed in (0, 0, 1))
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()
