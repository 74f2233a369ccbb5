import numpy as np
import pytest
import torch
from scipy.stats import ortho_group
from sklearn.linear_model import LogisticRegression
from transformers import BertModel

from tests.tiny_models import bert_config, tiny_tokenizer
from tlhelpers.subjects import probing

SENTENCES = [
    ["the", "film", "was", "very", "good"],
    ["the", "actor"],
    ["a", "story", "and", "a", "film", "and", "an", "actor"],
]


def tiny_encoder(seed=0):
    torch.manual_seed(seed)
    return BertModel(bert_config()).eval()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TL_CACHE", str(tmp_path))


# --- hidden states --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word_ids", "starts"),
    [
        ([None, 0, 1, 1, 2, None], [1, 2, 4]),
        ([None, None], []),
        ([0, 0, 0, 1], [0, 3]),
        ([None, 0, 1, None, None, None], [1, 2]),
    ],
)
def test_a_word_starts_at_its_first_sub_word(word_ids, starts):
    assert probing.first_pieces(word_ids) == starts


def test_word_vectors_are_the_hidden_states_of_each_sentence_alone():
    model, tokenizer = tiny_encoder(), tiny_tokenizer()
    found = probing.word_vectors(model, tokenizer, SENTENCES, batch_size=2, progress=False)
    alone = []
    for words in SENTENCES:
        batch = tokenizer([words], is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            states = model(**batch, output_hidden_states=True).hidden_states
        alone.append(torch.stack(states)[:, 0, 1:-1])  # without [CLS] and [SEP]
    expected = torch.cat(alone, dim=1).numpy()
    assert found.shape == (3, 15, 16)  # embeddings and two layers
    # Batched and padded products sum in another order.
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_only_the_wanted_words_come_in_their_order():
    model, tokenizer = tiny_encoder(), tiny_tokenizer()
    everything = probing.word_vectors(model, tokenizer, SENTENCES, progress=False)
    some = probing.word_vectors(model, tokenizer, SENTENCES, [[4, 0], [], [7]], progress=False)
    np.testing.assert_allclose(some, everything[:, [4, 0, 14]], atol=1e-5)


def test_a_word_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="sentence 1 has 2 words"):
        probing.word_vectors(
            tiny_encoder(), tiny_tokenizer(), SENTENCES, [[0], [2], [0]], progress=False
        )


def test_sentence_vectors_average_all_tokens_but_padding():
    model, tokenizer = tiny_encoder(), tiny_tokenizer()
    found = probing.sentence_vectors(model, tokenizer, SENTENCES, progress=False)
    batch = tokenizer([SENTENCES[1]], is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        states = model(**batch, output_hidden_states=True).hidden_states
    expected = torch.stack(states).mean(2)[:, 0]
    np.testing.assert_allclose(found[:, 1], expected.numpy(), atol=1e-5)


def test_hidden_states_are_read_from_the_cache_for_the_same_model_and_words(monkeypatch):
    tokenizer = tiny_tokenizer()
    first = probing.word_vectors(tiny_encoder(), tokenizer, SENTENCES, progress=False)

    def never(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(probing, "_compute", never)
    again = probing.word_vectors(tiny_encoder(), tokenizer, SENTENCES, progress=False)
    np.testing.assert_array_equal(first, again)
    for changed in (
        lambda: probing.word_vectors(tiny_encoder(1), tokenizer, SENTENCES, progress=False),
        lambda: probing.word_vectors(tiny_encoder(), tokenizer, SENTENCES[:2], progress=False),
        lambda: probing.sentence_vectors(tiny_encoder(), tokenizer, SENTENCES, progress=False),
    ):
        with pytest.raises(AssertionError, match="computed again"):
            changed()


# --- control tasks --------------------------------------------------------------------------------


def test_a_control_label_belongs_to_the_word_type():
    words = ["the", "film", "the", "story", "film", "the"] * 50
    labels = np.arange(300) % 3
    random = probing.control_labels(words, labels, seed=1)
    by_type = {
        word: {int(r) for w, r in zip(words, random, strict=True) if w == word} for word in words
    }
    assert all(len(found) == 1 for found in by_type.values())
    np.testing.assert_array_equal(random, probing.control_labels(words, labels, seed=1))


def test_control_labels_have_the_frequencies_of_the_true_ones():
    labels = np.repeat([0, 1, 2], [700, 250, 50])
    types = [f"word{i}" for i in range(1000)]
    counts = np.bincount(probing.control_labels(types, labels), minlength=3)
    # Three standard deviations of a binomial count.
    assert np.all(np.abs(counts - [700, 250, 50]) < 3 * np.sqrt(1000 * 0.25))
    other = probing.control_labels(types, labels, seed=1)
    assert (other != probing.control_labels(types, labels)).mean() > 0.3


def test_labels_that_are_no_class_numbers_are_refused():
    with pytest.raises(ValueError, match="class numbers from 0"):
        probing.control_labels(["a", "b"], [-1, 0])
    with pytest.raises(ValueError, match="2 words and 1 labels"):
        probing.control_labels(["a", "b"], [0])


# --- probes ---------------------------------------------------------------------------------------


def made_up(n, seed, layers=3, width=12, classes=4):
    """Layer 1 holds the label behind little noise, the others behind much."""
    truth = np.random.default_rng(99).normal(size=(width, classes))
    generator = np.random.default_rng(seed)
    x = generator.normal(loc=2.0, scale=5.0, size=(layers, n, width))
    y = ((x[1] - 2.0) @ truth + 5 * generator.normal(size=(n, classes))).argmax(1)
    return x.astype(np.float32), y


def test_probes_are_those_of_scikit_learn():
    (x, y), (held_out, truth) = made_up(400, 0), made_up(200, 1)
    probes = probing.fit_probes(x, y, held_out, truth, inverse_penalties=(0.1,))
    for layer in range(3):
        centre, scale = x[layer].mean(0), x[layer].std(0)
        reference = LogisticRegression(C=0.1, tol=1e-8, max_iter=2000)
        reference.fit((x[layer] - centre) / scale, y)
        expected = reference.predict_proba((held_out[layer] - centre) / scale)
        z = (torch.from_numpy(held_out) - probes.centre) / probes.scale
        found = torch.baddbmm(probes.bias, z, probes.weight).softmax(-1)[layer].numpy()
        # Both stop near the one minimum of a convex loss, at different distances from it.
        np.testing.assert_allclose(found, expected, atol=2e-3)
        assert probes.accuracy(held_out, truth)[layer] == pytest.approx(
            reference.score((held_out[layer] - centre) / scale, truth), abs=0.01
        )


def test_each_layer_keeps_the_penalty_that_validates_best():
    (x, y), (held_out, truth) = made_up(60, 0), made_up(400, 1)
    candidates = (0.0001, 0.1, 100.0)
    probes = probing.fit_probes(x, y, held_out, truth, inverse_penalties=candidates)
    alone = np.stack(
        [
            probing.fit_probes(x, y, held_out, truth, inverse_penalties=(c,)).accuracy(
                held_out, truth
            )
            for c in candidates
        ]
    )
    # One of 400 words: L-BFGS stops elsewhere when it solves other problems along with this one.
    np.testing.assert_allclose(probes.validation_accuracy, alone.max(0), atol=2 / 400)
    np.testing.assert_allclose(
        probes.accuracy(held_out, truth), probes.validation_accuracy, atol=1e-6
    )
    assert set(probes.inverse_penalty) <= set(candidates)


def test_the_layer_that_holds_the_label_is_found():
    (x, y), (held_out, truth) = made_up(600, 0), made_up(600, 1)
    accuracy = probing.fit_probes(x, y, held_out, truth).accuracy(held_out, truth)
    assert accuracy.argmax() == 1
    assert accuracy[1] > accuracy[[0, 2]].max() + 0.3


def test_features_are_standardised_with_the_training_words_alone():
    (x, y), (held_out, truth) = made_up(400, 0), made_up(200, 1)
    probes = probing.fit_probes(x, y, held_out + 50, truth)
    np.testing.assert_allclose(probes.centre[:, 0], x.mean(1), atol=1e-3)


# --- where in the stack ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "floor", "mean"),
    [
        ([0.8, 0.8, 0.8], 0.2, 0.0),  # the embeddings know it all
        ([0.2, 0.2, 0.8], 0.2, 2.0),  # only the last layer knows it
        ([0.4, 0.6, 0.8], 0.2, 1.0),  # each layer adds the same
        ([0.5, 0.9, 0.8], 0.2, (0.4 - 2 * 0.1) / 0.6),  # a layer may lose, too
    ],
)
def test_the_mean_layer_of_gain_weighs_each_layer_with_what_it_adds(scores, floor, mean):
    assert probing.mean_layer_of_gain(scores, floor) == pytest.approx(mean)


def test_without_any_gain_there_is_no_mean_layer():
    with pytest.raises(ValueError, match="do not end above the floor"):
        probing.mean_layer_of_gain([0.3, 0.2], 0.25)


def test_cka_is_one_for_turned_vectors_and_small_for_others():
    generator = np.random.default_rng(0)
    a = generator.normal(size=(2000, 8)).astype(np.float32)
    turned = 3 * a @ ortho_group.rvs(8, random_state=0).astype(np.float32) + 1
    assert probing.linear_cka(a, turned) == pytest.approx(1, abs=1e-5)
    assert probing.linear_cka(a, generator.normal(size=(2000, 8))) < 0.02
