"""Adapters, prompts and SetFit's pairs, against formulas, libraries and the long way round."""

import copy
import gc
import itertools
import weakref

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset
from peft import LoraConfig, PrefixTuningConfig
from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss
from torch import nn
from transformers import (
    BertConfig,
    BertModel,
    ElectraConfig,
    ElectraForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
)

from tests.tiny_models import (
    bert_config,
    reviews,
    tiny_causal_model,
    tiny_classifier,
    tiny_tokenizer,
)
from tlhelpers.baselines import fit_frozen
from tlhelpers.pretrained.models import count_parameters, meta_model
from tlhelpers.subjects import lora, strategies
from tlhelpers.subjects.strategies import Adapter, Prompt
from tlhelpers.training.fit import fit
from tlhelpers.training.prediction import predict

PROMPT = Prompt(label_words=("bad", "good"), question="the {text} was", between=" and ")
FILMS = ["very fine film", "dull story", "actor", "not the great and very good story"]


def a_batch(n=6):
    rows = reviews(n)
    tokens = tiny_tokenizer()([row["text"] for row in rows], padding=True, return_tensors="pt")
    return {**tokens, "labels": torch.tensor([row["label"] for row in rows])}


def labelled(n=12, seed=0):
    data = Dataset.from_list(reviews(n, seed))
    return data.cast_column("label", ClassLabel(names=["negative", "positive"]))


# Adapters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bottleneck", [1, 3, 16])
def test_an_adapter_has_as_many_parameters_as_the_formula_says(bottleneck):
    adapter = Adapter(16, bottleneck)
    assert count_parameters(adapter) == 2 * bottleneck * 16 + 16 + bottleneck
    assert strategies.adapter_parameters(16, bottleneck, layers=1) == 2 * count_parameters(adapter)


def test_trained_are_adapters_norms_and_head_and_nothing_else():
    model = tiny_classifier()
    whole = count_parameters(model)
    strategies.add_adapters(model, 4)
    adapters = strategies.adapter_parameters(16, 4, layers=2)
    assert count_parameters(model) == whole + adapters
    head, norms = 2 * 16 + 2, 2 * 2 * 2 * 16
    assert count_parameters(model, trainable=True) == adapters + norms + head


def test_bert_base_with_adapters_of_64_trains_what_the_paper_says():
    model = meta_model(BertConfig(), task="classification", labels=2)
    with torch.device("meta"):
        strategies.add_adapters(model, 64)
    trained = {name: w.numel() for name, w in model.named_parameters() if w.requires_grad}
    adapters = sum(count for name, count in trained.items() if "dropout" in name)
    norms = sum(count for name, count in trained.items() if "LayerNorm" in name)
    assert adapters == strategies.adapter_parameters(768, 64, layers=12) == 2_379_264
    # Houlsby et al. 2019, section 3.4: about 2M, and 40k for the norms; those of the embeddings,
    # which they may count, are another 1,536.
    assert (round(adapters, -6), round(norms, -4)) == (2_000_000, 40_000)


@pytest.mark.parametrize("training", [False, True])
def test_at_its_start_the_model_gives_what_it_gave_without(training):
    model = tiny_classifier().train(training)
    with torch.no_grad():
        torch.manual_seed(1)
        before = model(**a_batch()).logits
        strategies.add_adapters(model, 4)
        torch.manual_seed(1)
        torch.testing.assert_close(model(**a_batch()).logits, before, atol=0, rtol=0)


def test_an_adapter_adds_what_its_bottleneck_makes_before_the_norm():
    model = strategies.add_adapters(tiny_classifier().eval(), 4)
    sublayer = model.bert.encoder.layer[0].output
    adapter = sublayer.dropout[1]
    nn.init.normal_(adapter.up.weight)
    inside, around = torch.randn(2, 3, 32), torch.randn(2, 3, 16)
    x = sublayer.dense(inside)
    bent = nn.functional.gelu(x @ adapter.down.weight.T + adapter.down.bias)
    expected = sublayer.LayerNorm(x + bent @ adapter.up.weight.T + adapter.up.bias + around)
    torch.testing.assert_close(sublayer(inside, around), expected)


def test_training_moves_adapters_norms_and_head_and_leaves_the_rest():
    model, tokenizer = strategies.add_adapters(tiny_classifier(), 4), tiny_tokenizer()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    fit(model, reviews(32), tokenizer=tokenizer, batch_size=8, epochs=1, progress=False)
    moved = {n for n, weight in model.named_parameters() if not torch.equal(weight, before[n])}
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert moved == trained
    assert any("up" in name for name in moved)
    assert not any("dense" in name or "query" in name or "embeddings" in name for name in moved)


def test_the_seed_draws_the_way_down_and_leaves_the_random_state_alone():
    one, same, other = (strategies.add_adapters(tiny_classifier(), 4, seed=s) for s in (1, 1, 2))
    down = [m.bert.encoder.layer[1].output.dropout[1].down.weight for m in (one, same, other)]
    assert torch.equal(down[0], down[1]) and not torch.equal(down[0], down[2])
    assert down[0].abs().max() <= 0.02
    model, state = tiny_classifier(), torch.random.get_rng_state()
    strategies.add_adapters(model, 4)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_models_built_like_bert_take_adapters_and_others_are_refused():
    electra = ElectraForSequenceClassification(
        ElectraConfig(
            vocab_size=30, embedding_size=16, hidden_size=16, num_hidden_layers=1,
            num_attention_heads=2, intermediate_size=32,
        )
    )  # fmt: skip
    strategies.add_adapters(electra, 2)
    with pytest.raises(ValueError, match="GPT2LMHeadModel has no encoder"):
        strategies.add_adapters(tiny_causal_model(), 2)
    with pytest.raises(ValueError, match="bottleneck=0 must be at least 1"):
        strategies.add_adapters(tiny_classifier(), 0)


# What peft gives ---------------------------------------------------------------------------------


def test_prefix_tuning_of_peft_reaches_each_layer_of_an_encoder():
    """A key and a value a layer and position; other prefixes, other answers; tl.fit trains it."""
    config = PrefixTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=5)
    model, tokenizer = lora.adapt(tiny_classifier(), config, seed=0), tiny_tokenizer()
    (prefix,) = (w for n, w in model.named_parameters() if n.startswith("prompt_encoder"))
    assert prefix.shape == (5, 2 * 2 * 16)
    assert count_parameters(model, trainable=True) == 5 * 2 * 2 * 16 + 2 * 16 + 2
    texts, before = [row["text"] for row in reviews(8)], prefix.detach().clone()
    for layer in range(2):  # the numbers of a layer follow each other: keys, then values
        first = predict(model, texts, tokenizer)
        with torch.no_grad():
            prefix[:, layer * 32 + 16 : layer * 32 + 32] += 1.0
        assert np.abs(predict(model, texts, tokenizer) - first).max() > 1e-4
        with torch.no_grad():
            prefix.copy_(before)
    fit(model, reviews(32), tokenizer=tokenizer, batch_size=8, epochs=1, progress=False)
    assert (prefix != before).any(dim=0).all(), "an epoch moves each number of the prefix"


# Memory ------------------------------------------------------------------------------------------


def test_memory_counts_what_a_linear_layer_keeps():
    class Layers(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(8, 16), nn.Linear(16, 4)

        def forward(self, x):
            return self.second(self.first(x).tanh())

    model = Layers()
    found = strategies.training_memory(model, {"x": torch.randn(5, 8)})
    parameters = 8 * 16 + 16 + 16 * 4 + 4
    # For the way back: the input, and what tanh gave, which the second layer reads as well.
    assert found == (4 * parameters, 4 * parameters, 8 * parameters, 4 * (5 * 8 + 5 * 16))
    model.first.requires_grad_(False)
    frozen = strategies.training_memory(model, {"x": torch.randn(5, 8)})
    trained = 16 * 4 + 4
    assert frozen == (4 * parameters, 4 * trained, 8 * trained, 4 * 5 * 16)


def test_nothing_stays_in_memory_that_was_counted():
    class Exponential(nn.Module):  # its way back needs what it gave: a result that keeps its graph
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, x):
            return (x * self.weight).exp()

    numbers = np.ones(3, dtype=np.float32)
    alive = weakref.ref(numbers)
    strategies.training_memory(Exponential(), {"x": torch.from_numpy(numbers)})
    del numbers
    gc.collect()
    assert alive() is None


def test_lora_saves_gradients_and_averages_and_few_activations():
    batch = a_batch()
    full = strategies.training_memory(tiny_classifier().eval(), batch)
    config = LoraConfig(r=2, target_modules=["query", "value"], task_type="SEQ_CLS")
    adapted = lora.adapt(tiny_classifier(), config).eval()
    small = strategies.training_memory(adapted, batch)
    assert small.gradients < full.gradients / 10
    assert small.optimiser == 2 * small.gradients
    assert small.activations > full.activations / 3
    assert not adapted.training
    assert all(weight.grad is None for weight in adapted.parameters())


# Prompts -----------------------------------------------------------------------------------------


def test_a_prompt_writes_solved_examples_one_after_another():
    prompt = Prompt((" bad", " good"), instruction="Rate.")
    assert prompt.prefix(["Dull.", "A {text} joy"], [0, 1]) == (
        "Rate.\n\nReview: Dull.\nSentiment: bad\n\nReview: A {text} joy\nSentiment: good\n\n"
    )
    assert prompt.ask("Fine") == "Review: Fine\nSentiment:"
    assert Prompt((" bad", " good")).prefix() == ""


def test_a_prompt_that_cannot_be_answered_is_refused():
    with pytest.raises(ValueError, match=r"must have \{text\} in it"):
        Prompt((" bad", " good"), question="Is it good?")
    with pytest.raises(ValueError, match="no space at its end"):
        Prompt((" bad", " good"), question="{text} Sentiment: ")
    with pytest.raises(ValueError, match="give a word for each class"):
        Prompt((" good", " good"))
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        PROMPT.prefix(["film"], [])


def one_by_one(model, tokenizer, prompt, texts, prefix):
    """Read prefix, question and each label word in a pass of its own, and add up."""

    def pieces(text):
        return tokenizer(text, add_special_tokens=False)["input_ids"] if text else []

    rows = []
    for text, word in itertools.product(texts, prompt.label_words):
        asked = pieces(prefix) + pieces(prompt.ask(text))
        said = pieces(word)
        with torch.no_grad():
            logs = model.eval()(torch.tensor([asked + said])).logits[0].log_softmax(-1)
        rows.append(sum(float(logs[len(asked) - 1 + i, piece]) for i, piece in enumerate(said)))
    return np.array(rows).reshape(len(texts), -1)


def tiny_llama(spread=0.5):
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=22, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
            initializer_range=spread, bos_token_id=2, eos_token_id=3, pad_token_id=0,
        )
    )  # fmt: skip


@pytest.mark.parametrize("make", [tiny_causal_model, tiny_llama])
@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize(
    "words", [("bad", "good"), ("very bad", "very good", "fine"), ("not good", "good", "poor")]
)
@pytest.mark.parametrize("shots", [0, 2])
def test_the_kept_prefix_gives_what_reading_everything_gives(make, cache, words, shots):
    model, tokenizer = make(), tiny_tokenizer()
    prompt = Prompt(words, question=PROMPT.question, between=PROMPT.between)
    prefix = prompt.prefix(FILMS[:shots], [1, 0][:shots])
    found = strategies.label_log_probabilities(
        model, tokenizer, prompt, FILMS, prefix=prefix, batch_size=3, cache=cache
    )
    assert found.shape == (4, len(words))
    expected = one_by_one(model, tokenizer, prompt, FILMS, prefix)
    np.testing.assert_allclose(found, expected, atol=1e-5)  # float32, other shapes of batches


def test_the_prefix_is_read_once():
    model, tokenizer, read = tiny_causal_model(), tiny_tokenizer(), []
    model.register_forward_pre_hook(lambda module, given: read.append(tuple(given[0].shape)))
    prefix = PROMPT.prefix(FILMS[:2], [1, 0])
    length = len(tokenizer(prefix, add_special_tokens=False)["input_ids"])
    strategies.label_log_probabilities(model, tokenizer, PROMPT, FILMS, prefix=prefix, batch_size=2)
    assert read[0] == (1, length)
    assert len(read) == 3 and all(rows == 2 and columns < 12 for rows, columns in read[1:])


def test_half_precision_scores_as_full_precision_does_up_to_its_rounding():
    model, tokenizer = tiny_llama(spread=0.15), tiny_tokenizer()
    prefix = PROMPT.prefix(FILMS[:2], [1, 0])
    full, half = (
        strategies.label_log_probabilities(m, tokenizer, PROMPT, FILMS, prefix=prefix)
        for m in (model, copy.deepcopy(model).bfloat16())
    )
    np.testing.assert_allclose(half, full, atol=0.04)  # bf16 has 8 bits; the scores are about 3
    assert np.ptp(full) > 0.4
    assert half.dtype == np.float32


def test_the_order_of_examples_matters_to_a_language_model():
    model, tokenizer = tiny_causal_model(), tiny_tokenizer()
    scores = [
        strategies.label_log_probabilities(
            model,
            tokenizer,
            PROMPT,
            FILMS[2:],
            prefix=PROMPT.prefix(FILMS[:2][::way], [1, 0][::way]),
        )
        for way in (1, -1)
    ]
    assert np.abs(scores[0] - scores[1]).max() > 1e-4


def test_a_prompt_too_long_for_the_model_is_refused():
    model, tokenizer = tiny_causal_model(), tiny_tokenizer()
    with pytest.raises(ValueError, match="have 33 pieces, and the model reads 32"):
        strategies.label_log_probabilities(model, tokenizer, PROMPT, ["film " * 31])
    with pytest.raises(ValueError, match="give a list with at least one text"):
        strategies.label_log_probabilities(model, tokenizer, PROMPT, "film")


def test_calibration_makes_a_text_without_content_level():
    scores = np.log(np.array([[0.2, 0.1], [0.03, 0.01]], dtype=np.float32))
    empty = np.log(np.array([[0.5, 0.1], [0.5, 0.1]], dtype=np.float32))
    level = strategies.calibrated(empty, empty)
    np.testing.assert_allclose(level[:, 0], level[:, 1])
    # Odds of 2 and 3 to 1, where a text that says nothing has 5 to 1: both lean the other way.
    odds = strategies.calibrated(scores, empty)
    np.testing.assert_allclose(odds[:, 0] / odds[:, 1], [2 / 5, 3 / 5], rtol=1e-5)


# SetFit ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [[0, 1, 0, 1], [0, 0, 0, 1, 1, 2, 2]])
def test_each_text_gets_as_many_partners_of_its_class_as_of_another(labels):
    pairs = strategies.label_pairs(labels, each=5, seed=1)
    assert len(pairs.same) == 2 * 5 * len(labels)
    rows = list(zip(*pairs, strict=True))
    assert all((labels[one] == labels[other]) == same for one, other, same in rows)
    assert all(one != other for one, other, _ in rows)
    for text, same in itertools.product(range(len(labels)), (True, False)):
        assert sum(one == text and its == same for one, _, its in rows) == 5
    assert pairs == strategies.label_pairs(labels, each=5, seed=1)
    assert pairs != strategies.label_pairs(labels, each=5, seed=2)


def test_labels_that_make_no_pair_are_refused():
    with pytest.raises(ValueError, match="no partner of its class"):
        strategies.label_pairs([0, 0, 1], each=1)
    with pytest.raises(ValueError, match="no partner of another class"):
        strategies.label_pairs([1, 1], each=1)
    with pytest.raises(ValueError, match="each=0"):
        strategies.label_pairs([0, 0, 1, 1], each=0)


def test_the_loss_is_that_of_sentence_transformers():
    first, second = torch.randn(2, 7, 5)
    same = torch.tensor([True, False, True, True, False, False, True])
    theirs = CosineSimilarityLoss(model=None).compute_loss_from_embeddings([first, second], same)
    torch.testing.assert_close(strategies.pair_loss(first, second, same), theirs)


def test_training_on_pairs_pulls_classes_apart_and_a_linear_classifier_profits():
    torch.manual_seed(0)
    encoder, tokenizer = BertModel(bert_config()), tiny_tokenizer()
    train, held_out = labelled(16, seed=1), labelled(200, seed=2)
    before = fit_frozen(encoder, tokenizer, train, held_out).accuracy(held_out)
    losses = strategies.train_on_pairs(
        encoder, tokenizer, train, each=8, learning_rate=5e-3, batch_size=8
    )
    assert len(losses) == 2 * 8 * 16 / 8
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) / 2
    assert not encoder.training
    after = fit_frozen(encoder, tokenizer, train, held_out).accuracy(held_out)
    assert after > before + 0.05


def test_training_on_pairs_repeats_itself_and_leaves_the_random_state_alone():
    def trained():
        torch.manual_seed(0)
        encoder = BertModel(bert_config())
        losses = strategies.train_on_pairs(encoder, tiny_tokenizer(), labelled(), each=1, seed=3)
        return losses, torch.rand(1)

    (one, after), (two, again) = trained(), trained()
    assert one == two and torch.equal(after, again)
    torch.manual_seed(0)
    BertModel(bert_config())
    assert torch.equal(torch.rand(1), after)


def test_the_first_update_moves_the_encoder():
    torch.manual_seed(0)
    encoder = BertModel(bert_config())
    before = encoder.encoder.layer[0].output.dense.weight.detach().clone()
    strategies.train_on_pairs(encoder, tiny_tokenizer(), labelled(4), each=1, batch_size=8)
    assert not torch.equal(encoder.encoder.layer[0].output.dense.weight, before)
