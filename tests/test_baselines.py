"""The baselines that fine-tuning has to beat."""

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value
from sklearn.linear_model import LogisticRegression
from transformers import BertConfig, BertModel

from tlhelpers import baselines
from tlhelpers.baselines import fit_frozen, fit_tfidf
from tlhelpers.vectors import embed

FEATURES = Features({"text": Value("string"), "label": ClassLabel(names=["negative", "positive"])})


def reviews(n: int) -> Dataset:
    texts = [f"a {'fine' if i % 2 else 'dull'} film number {i}" for i in range(n)]
    return Dataset.from_dict({"text": texts, "label": [i % 2 for i in range(n)]}, features=FEATURES)


class WordTokenizer:
    """Gives each word a number; stands in for a pretrained tokenizer."""

    def __call__(self, texts, max_length, **_):
        rows = [[1 + sum(map(ord, word)) % 60 for word in text.split()] for text in texts]
        rows = [row[:max_length] for row in rows]
        width = max(map(len, rows))
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
        return Batch(input_ids=ids, attention_mask=(ids > 0).long())


class Batch(dict):
    def to(self, device):
        return self


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=64,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    return BertModel(config, add_pooling_layer=False).eval()


def test_bag_of_words_learns_which_word_decides():
    classifier = fit_tfidf(reviews(60), reviews(20))
    assert classifier.accuracy(reviews(40)) == 1.0
    assert classifier.predict_proba(["a fine film"])[0].argmax() == 1
    assert classifier.label_names == ["negative", "positive"]


def test_the_penalty_with_the_best_validation_accuracy_is_kept():
    train, validation = reviews(12), reviews(20)
    classifier = fit_tfidf(train, validation, inverse_penalties=(1e-9, 10.0))
    features = classifier.featurize(train["text"][:])
    weak = LogisticRegression(C=1e-9).fit(features, train["label"])
    assert classifier.accuracy(validation) >= weak.score(
        classifier.featurize(validation["text"][:]), validation["label"]
    )


def test_frozen_features_leave_the_encoder_as_it_was(encoder):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    classifier = fit_frozen(encoder, WordTokenizer(), reviews(40), reviews(20))
    assert classifier.accuracy(reviews(40)) > 0.9
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


def test_no_text_is_embedded_twice(encoder, monkeypatch):
    asked = []

    def watched(model, tokenizer, texts, **how):
        asked.extend(texts)
        return embed(model, tokenizer, texts, **how)

    monkeypatch.setattr(baselines, "embed", watched)
    train, validation = reviews(40), reviews(20)  # the first 20 are the same
    classifier = fit_frozen(encoder, WordTokenizer(), train, validation)
    classifier.accuracy(reviews(45))
    assert asked == reviews(45)["text"][:]
    shared = {}
    for count in (30, 40):
        fit_frozen(encoder, WordTokenizer(), reviews(count), validation, vectors=shared)
    assert asked[45:] == reviews(40)["text"][:] == list(shared)
    twice = classifier.featurize(["a fine film", "a dull film", "a fine film"])
    alone = embed(encoder, WordTokenizer(), ["a fine film"], progress=False)
    # Padding changes the order of summation, so float32 agrees to its rounding only.
    np.testing.assert_allclose(twice[[0, 2]], alone.repeat(2, axis=0), atol=1e-5)


def test_the_baseline_needs_a_text(encoder):
    classifier = fit_frozen(encoder, WordTokenizer(), reviews(40), reviews(20))
    with pytest.raises(ValueError, match="list of texts with at least one text"):
        classifier.predict_proba([])


def test_a_class_without_training_texts_keeps_the_others_in_their_places():
    features = Features({"text": Value("string"), "label": ClassLabel(names=["a", "b", "c"])})
    texts = [f"{'fine' if i % 2 else 'dull'} film {i}" for i in range(40)]
    rows = Dataset.from_dict({"text": texts, "label": [2 * (i % 2) for i in range(40)]}, features)
    classifier = fit_tfidf(rows, rows)
    assert classifier.predict_proba(["fine film"]).shape == (1, 3)
    assert classifier.predict_proba(["fine film"])[0].argmax() == 2
    assert classifier.accuracy(rows) == 1.0
