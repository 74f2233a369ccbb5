"""The BERT family: counts, operations and windows against PyTorch; timing and choosing."""

import pandas as pd
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModel

from tlhelpers.pretrained.models import count_parameters, meta_model
from tlhelpers.pretrained.published import configuration
from tlhelpers.subjects import bert_family
from tlhelpers.subjects.bert_family import FAMILY

# Attention adds up as many products as there are places in view, in an order of its own.
ROUNDING = 1e-12  # of float64, whose numbers carry about sixteen digits

# Counted -----------------------------------------------------------------------------------------


def test_the_family_has_the_parameters_of_its_configurations():
    found = bert_family.counts()
    assert list(found.index) == list(FAMILY)
    for name, row in found.iterrows():
        assert row["parameters"] == count_parameters(meta_model(FAMILY[name]))
        assert row["token table"] + row["others"] == row["parameters"]
        assert row["token table"] == configuration(FAMILY[name]).vocab_size * row["width"]


def test_the_longest_text_of_a_roberta_is_shorter_than_its_table():
    found = bert_family.counts()["tokens"]
    assert found["RoBERTa-base"] == found["XLM-RoBERTa-base"] == found["BERT-base"] == 512
    assert found["ModernBERT-base"] == 8192


def test_a_roberta_reads_its_longest_text_and_no_longer_one():
    small = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2}
    model = bert_family.random_model("RoBERTa-base", num_hidden_layers=1, **small)
    longest = bert_family.longest_text(model.config)
    bert_family.forward_pass(model, longest)()
    with pytest.raises((IndexError, RuntimeError), match="out of"):
        bert_family.forward_pass(model, longest + 1)()


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize(("length", "batch"), [(1, 1), (16, 3), (512, 1)])
def test_operations_are_those_that_pytorch_counts(name, length, batch):
    model = meta_model(FAMILY[name]).eval()
    vectors = torch.zeros(batch, length, model.config.hidden_size, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(inputs_embeds=vectors)
    found = bert_family.operations(model.config, length, batch)
    assert sum(found.values()) == counter.get_total_flops()


def test_operations_grow_as_they_are_said_to():
    config = configuration(FAMILY["DeBERTa-v3-base"])
    short, long = (bert_family.operations(config, length) for length in (512, 1024))
    assert long["weights"] == 2 * short["weights"]
    assert 2 * short["pairs"] < long["pairs"] < 4 * short["pairs"]
    assert long["positions"] == short["positions"]
    bert = configuration(FAMILY["BERT-base"])
    short, long = (bert_family.operations(bert, length)["pairs"] for length in (512, 1024))
    assert long == 4 * short


def test_operations_of_another_family_are_refused():
    with pytest.raises(ValueError, match="'gpt2' are not known here; there are those of bert"):
        bert_family.operations(configuration("openai-community/gpt2"), 8)


@pytest.mark.parametrize("length", [1, 5, 64, 65, 300])
@pytest.mark.parametrize("reach", [1, 64])
def test_pairs_within_a_window_are_those_that_one_counts(length, reach):
    places = torch.arange(length)
    near = (places[:, None] - places).abs() <= reach
    assert bert_family.pairs_within(length, reach) == int(near.sum())


def test_windows_are_those_of_the_library():
    config = configuration(FAMILY["ModernBERT-base"])
    few, all_ = (
        bert_family.operations(config, 1000, windows=windows)["pairs"] for windows in (True, False)
    )
    local = config.layer_types.count("sliding_attention")
    fewer = 1000 * 1000 - bert_family.pairs_within(1000, config.sliding_window)
    assert all_ - few == 4 * config.hidden_size * local * fewer


def test_the_reach_of_a_window_is_that_of_the_library():
    """Change the token that is farthest in view, then the next one: only the first is noticed."""
    small = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2}
    config = configuration(
        FAMILY["ModernBERT-base"],
        **small,
        num_hidden_layers=1,
        layer_types=["sliding_attention"],
        local_attention=8,
    )
    torch.manual_seed(0)
    model = AutoModel.from_config(config).eval()
    vectors = torch.randn(1, 20, 8)
    ones = torch.ones(1, 20, dtype=torch.long)

    def first(changed: int) -> torch.Tensor:
        other = vectors.clone()
        other[0, changed] = torch.randn(8)
        with torch.no_grad():
            return model(inputs_embeds=other, attention_mask=ones).last_hidden_state[0, 0]

    with torch.no_grad():
        before = model(inputs_embeds=vectors, attention_mask=ones).last_hidden_state[0, 0]
    reach = config.local_attention // 2
    assert not torch.allclose(first(reach), before)
    assert torch.allclose(first(reach + 1), before)


@pytest.mark.parametrize("length", [1, 3, 8, 50])
@pytest.mark.parametrize("reach", [1, 4, 7, 64])
def test_attention_in_windows_is_attention_with_a_mask(length, reach):
    torch.manual_seed(length)
    q, k, v = torch.randn(3, 2, 3, length, 5, dtype=torch.float64)
    places = torch.arange(length)
    mask = (places[:, None] - places).abs() <= reach
    expected = scaled_dot_product_attention(q, k, v, attn_mask=mask)
    found = bert_family.attend_in_windows(q, k, v, reach)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < ROUNDING


def test_attention_in_windows_computes_in_proportion_to_the_length():
    counted = []
    for length in (512, 1024):
        q, k, v = torch.zeros(3, 1, 2, length, 4, device="meta")
        with FlopCounterMode(display=False) as counter:
            bert_family.attend_in_windows(q, k, v, 64)
        counted.append(counter.get_total_flops())
    assert counted[1] == 2 * counted[0]


# Timed -------------------------------------------------------------------------------------------


def test_a_random_model_is_whole_and_repeats():
    changes = {"num_hidden_layers": 1, "vocab_size": 30_000}
    torch.manual_seed(5)
    one, other, third = (
        bert_family.random_model("RoBERTa-base", seed=seed, **changes) for seed in (0, 0, 1)
    )
    assert torch.initial_seed() == 5 and not one.training
    weights = [model.encoder.layer[0].output.dense.weight for model in (one, other, third)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_things_are_timed_in_turns_and_warm_ups_are_not_counted(monkeypatch):
    clock, ran = [0.0], []
    monkeypatch.setattr(bert_family.time, "perf_counter", lambda: clock[0])
    costs = {"a": iter([50, 1, 2, 9]), "b": iter([70, 4, 4, 5])}

    def run(name: str) -> None:
        ran.append(name)
        clock[0] += next(costs[name])

    found = bert_family.time_in_turns([lambda: run("a"), lambda: run("b")], repeats=3)
    assert found == [2, 4]  # medians, without the first
    assert ran == ["a", "b"] * 4


# Chosen ------------------------------------------------------------------------------------------

EVIDENCE = pd.DataFrame(
    {
        "ms": [400.0, 200.0, 900.0, float("nan")],
        "tokens": [512, 512, 512, 8192],
        "score": [84.7, float("nan"), 88.1, 88.4],
    },
    index=["base", "small", "slow", "long"],
)


def test_the_best_that_fits_comes_first_and_the_others_say_what_they_break():
    found = bert_family.pick(EVIDENCE, {"ms": ("at most", 500)}, best="score")
    assert found.answer.to_dict() == {"base": "fits", "small": "fits", "long": "ms", "slow": "ms"}
    assert list(found.index) == ["base", "small", "long", "slow"]


def test_limits_hold_together_and_what_was_not_measured_is_not_promised():
    limits = {"ms": ("at most", 200), "tokens": ("at least", 8192)}
    found = bert_family.pick(EVIDENCE, limits, best="score")
    assert found.answer["small"] == "tokens" and found.answer["base"] == "ms, tokens"
    assert found.answer["long"] == "ms"
    assert "fits" not in set(found.answer)


def test_without_limits_all_fit():
    assert set(bert_family.pick(EVIDENCE, {}, best="score").answer) == {"fits"}


@pytest.mark.parametrize("limits", [{"price": ("at most", 1)}, {"ms": ("below", 1)}])
def test_a_limit_that_cannot_be_checked_is_refused(limits):
    with pytest.raises(ValueError, match="say 'at most' or 'at least' of one of"):
        bert_family.pick(EVIDENCE, limits, best="score")
