"""One pass through a frozen encoder."""

import numpy as np
import pytest
import torch
from transformers import BertModel

from tests.tiny_models import bert_config, reviews, tiny_tokenizer
from tlhelpers.vectors import embed, hidden_states, pool, text_vectors

TEXTS = [row["text"] for row in reviews(11)]


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return BertModel(bert_config(), add_pooling_layer=False)


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


def alone(encoder, tokenizer, text):
    """The hidden states of one text without padding, (3, T, 16)."""
    tokens = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        return torch.stack(encoder(**tokens, output_hidden_states=True).hidden_states)[:, 0]


def test_each_text_comes_once_with_the_hidden_states_that_it_has_alone(encoder, tokenizer):
    seen = []
    for rows, layers, tokens in hidden_states(
        encoder.train(), tokenizer, TEXTS, layers="all", batch_size=4
    ):
        seen += rows
        for place, row in enumerate(rows):
            kept = tokens["attention_mask"][place].bool()
            found = torch.stack(layers)[:, place, kept]
            # Padding changes the order of summation, so float32 agrees to its rounding only.
            torch.testing.assert_close(
                found, alone(encoder, tokenizer, TEXTS[row]), atol=1e-5, rtol=1e-5
            )
    assert sorted(seen) == list(range(11))
    lengths = [len(ids) for ids in tokenizer(TEXTS)["input_ids"]]
    assert [lengths[row] for row in seen] == sorted(lengths)
    assert not encoder.training


def test_the_last_layer_can_be_had_alone_and_without_gradients(encoder, tokenizer):
    def read(layers):
        return next(iter(hidden_states(encoder, tokenizer, TEXTS, layers=layers, batch_size=11)))

    every, last = read("all").layers, read("last").layers
    assert (len(every), len(last)) == (3, 1)
    assert torch.equal(every[-1], last[0])
    assert last[0].is_inference()


def test_texts_may_be_given_as_words(encoder, tokenizer):
    words = [["a", "good", "film"], ["bad"]]
    (batch,) = hidden_states(encoder, tokenizer, words, layers="last", batch_size=2)
    assert batch.rows == [1, 0]
    assert batch.tokens.word_ids(0) == [None, 0, None, None, None]
    assert batch.tokens.word_ids(1) == [None, 0, 1, 2, None]
    np.testing.assert_allclose(
        batch.layers[0][1], alone(encoder, tokenizer, "a good film")[-1], atol=1e-5
    )


def test_long_texts_are_cut_where_they_should_be(encoder, tokenizer):
    (batch,) = hidden_states(
        encoder, tokenizer, ["good " * 50], layers="last", batch_size=1, max_length=8
    )
    assert batch.layers[0].shape == (1, 8, 16)
    (batch,) = hidden_states(encoder, tokenizer, ["good " * 50], layers="last", batch_size=1)
    assert batch.layers[0].shape == (1, tokenizer.model_max_length, 16)


def test_a_text_has_a_vector_at_every_layer(encoder, tokenizer):
    vectors = text_vectors(encoder, tokenizer, TEXTS, layers="all", batch_size=4)
    expected = [alone(encoder, tokenizer, text).mean(1).numpy() for text in TEXTS]
    np.testing.assert_allclose(vectors, np.stack(expected, axis=1), atol=1e-5)
    np.testing.assert_allclose(
        vectors[-1], embed(encoder, tokenizer, TEXTS, progress=False), atol=1e-5
    )


def test_embeddings_come_in_the_order_of_the_texts_and_ignore_padding(encoder, tokenizer):
    together = embed(encoder, tokenizer, TEXTS, batch_size=3, progress=False)
    alone = np.concatenate([embed(encoder, tokenizer, [text], progress=False) for text in TEXTS])
    # Padding changes the order of summation, so float32 agrees to its rounding only.
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_mean_pooling_is_the_mean_over_the_tokens_that_are_there():
    hidden = torch.arange(12.0).reshape(1, 3, 4)  # (B, T, C)
    mask = torch.tensor([[1, 1, 0]])
    assert torch.equal(pool(hidden, mask, "mean"), hidden[:, :2].mean(1))
    assert torch.equal(pool(hidden, mask, "cls"), hidden[:, 0])


@pytest.mark.parametrize("texts", ["one string", []])
def test_embedding_something_else_than_a_list_of_texts_is_refused(encoder, tokenizer, texts):
    with pytest.raises(ValueError, match="list of texts"):
        embed(encoder, tokenizer, texts)


def test_vectors_can_be_made_in_half_precision_and_are_32_bits_wide(encoder, tokenizer):
    exact = embed(encoder, tokenizer, TEXTS, progress=False)
    half = embed(encoder, tokenizer, TEXTS, precision="bf16", progress=False)
    assert half.dtype == exact.dtype == np.float32
    assert 0 < abs(half - exact).max() < 0.05
    with pytest.raises(ValueError, match="precision='fp16' needs a GPU"):
        embed(encoder, tokenizer, TEXTS, precision="fp16", progress=False)
