"""The encoder by hand, its formulas and drawings, against transformers and PyTorch's counter."""

import re

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertModel

from tests.tiny_models import bert_config, tiny_tokenizer
from tlhelpers.pretrained.models import count_parameters, meta_model
from tlhelpers.pretrained.published import configuration
from tlhelpers.subjects import architecture

BASE, LARGE = "google-bert/bert-base-uncased", "google-bert/bert-large-uncased"
# Sums in float32 lose about 1e-7 of the largest number for each of their roundings, in whatever
# order a processor takes them; the largest that was seen in six layers of real weights is 7e-7.
ROUNDING = 1e-5


def encoder(seed=0, **changes):
    """Make a small BERT whose every parameter is random, biases and norms too."""
    torch.manual_seed(seed)
    model = BertModel(bert_config(**changes), add_pooling_layer=True).eval()
    model.set_attn_implementation("eager")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return model


def batch(seed=0, lengths=(9, 4, 1)):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 22, (len(lengths), max(lengths)), generator=generator)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    return ids, mask


# By hand ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"num_attention_heads": 4}, {"hidden_size": 24}])
@torch.no_grad()
def test_layers_by_hand_are_those_of_the_library(changes):
    model, (ids, mask) = encoder(**changes), batch()
    states = model(ids, mask, output_hidden_states=True).hidden_states
    x, seen = states[0], mask.bool()
    for layer, theirs in zip(model.encoder.layer, states[1:], strict=True):
        x = architecture.layer(x, layer, mask)
        assert architecture.difference(x[seen], theirs[seen]) < ROUNDING


@torch.no_grad()
def test_padding_changes_nothing_where_it_is_masked_and_much_where_it_is_not():
    model, (ids, mask) = encoder(), batch(lengths=(9, 5))
    layer, x = model.encoder.layer[0], model.embeddings(ids)
    alone = architecture.layer(x[1:, :5], layer, mask[1:, :5])
    padded = architecture.layer(x, layer, mask)[1:, :5]
    unmasked = architecture.layer(x, layer, torch.ones_like(mask))[1:, :5]
    assert architecture.difference(padded, alone) < ROUNDING
    assert architecture.difference(unmasked, alone) > 0.01


def test_difference_is_relative_to_the_largest_number():
    theirs = torch.tensor([1.0, -200.0])
    ours = theirs + torch.tensor([0.0, 1.0])
    assert architecture.difference(ours, theirs) == pytest.approx(0.005)


# By formula -------------------------------------------------------------------------------------


@pytest.mark.parametrize("hub_id", [BASE, LARGE, "sentence-transformers/all-MiniLM-L6-v2"])
def test_parameters_by_formula_are_those_of_the_model(hub_id):
    count = architecture.parameters(configuration(hub_id))
    assert sum(count.values()) == count_parameters(meta_model(hub_id))


def test_parameters_are_in_the_part_that_the_formula_says():
    model = meta_model(BASE)
    count, layers = architecture.parameters(model.config), model.encoder.layer
    tables = [m for m in model.modules() if isinstance(m, torch.nn.Embedding)]
    norms = [m for m in model.modules() if isinstance(m, torch.nn.LayerNorm)]
    dense = [m for each in layers for m in (each.intermediate.dense, each.output.dense)]
    parts = {"embeddings": tables, "layer norms": norms, "feed-forward": dense}
    parts["pooler"] = [model.pooler]
    for part, modules in parts.items():
        assert count[part] == sum(map(count_parameters, modules)), part


@pytest.mark.parametrize("hub_id", [BASE, LARGE])
@pytest.mark.parametrize("length", [1, 100, 512])
def test_operations_are_those_that_pytorch_counts(hub_id, length):
    model = meta_model(hub_id)
    x = torch.zeros(1, length, model.config.hidden_size, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.encoder(x)
    parts = architecture.operations(model.config, length)
    assert counter.get_total_flops() == length * sum(parts.values())


def test_heads_have_their_shapes_and_parameters():
    heads = architecture.heads(BASE)
    assert heads.loc["label each token"].tolist() == ["T × 9", 769 * 9]
    assert heads.loc["find a span"].tolist() == ["T × 2", 769 * 2]
    # A pooler and a linear layer; a transformation with its norm, and a bias for each word.
    assert heads.loc["classify a text"].tolist() == ["2", 769 * 768 + 769 * 2]
    expected = ["T × 30,522", 769 * 768 + 2 * 768 + 30_522]
    assert heads.loc["guess hidden words"].tolist() == expected


# Attention, looked at ---------------------------------------------------------------------------


def test_hiding_a_token_is_masking_it():
    model, tokenizer = encoder(), tiny_tokenizer()
    found = architecture.hidden_one_by_one(model, tokenizer, "the film was not good")
    assert found.token.tolist() == ["[CLS]", "the", "film", "was", "not", "good", "[SEP]"]
    assert found.attention.sum() == pytest.approx(1, abs=1e-5)
    ids = torch.tensor([[2, 6, 7, 10, 18, 12, 3]])
    assert ids[0].tolist() == tokenizer("the film was not good")["input_ids"]
    mask = torch.ones_like(ids)
    mask[0, 4] = 0
    with torch.no_grad():
        before = model(ids).last_hidden_state[0, [1, 2, 3, 5]].mean(dim=0)
        after = model(ids, mask).last_hidden_state[0, [1, 2, 3, 5]].mean(dim=0)
    similarity = torch.nn.functional.cosine_similarity(before, after, dim=0)
    assert found.effect[4] == pytest.approx(1 - float(similarity), abs=1e-5)


def test_lines_join_what_looks_and_what_is_looked_at():
    weights = np.array([[0.02, 0.98, 0.0], [0.5, 0.3, 0.2], [0.0, 0.0, 1.0]])
    drawn = architecture.attention_lines(["<a>", "b", "c"], weights)
    assert drawn.text == "<a> at b 98%; b at <a> 50%; c at c 100%"
    assert "<a>" not in drawn.body and "&lt;a&gt;" in drawn.body
    joined = {
        tuple((int(y) - 11) // 22 for y in ends)
        for ends in re.findall(r"M92 (\d+)L228 (\d+)", drawn.body)
    }
    assert joined == {(0, 1), (1, 0), (1, 1), (1, 2), (2, 2)}


def test_weights_of_other_tokens_are_refused():
    with pytest.raises(ValueError, match="2 tokens have 2 x 2 weights"):
        architecture.attention_lines(["a", "b"], np.ones((3, 3)) / 3)


# The drawing ------------------------------------------------------------------------------------


def test_the_drawing_says_what_it_shows():
    drawn = architecture.diagram(configuration(LARGE))
    assert "24 layers" in drawn.alt and "16 heads" in drawn.alt and "4,096 wide" in drawn.alt
    for words in ("24 such layers", "30,522 × 1024", "layer norm", "logits", "find a span"):
        assert words in drawn.body
