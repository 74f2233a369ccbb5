"""Low-rank updates against peft, numpy and what can be counted by hand."""

import math

import numpy as np
import pytest
import torch
from peft import LoraConfig
from torch import nn

from tests.tiny_models import reviews, tiny_causal_model, tiny_classifier, tiny_tokenizer
from tlhelpers.subjects import lora
from tlhelpers.training.fit import fit


def shifted_classifier(seed=0):
    """Make a classifier, and the same one after an update of every matrix."""
    model = tiny_classifier()
    before = lora.weights(model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model, before


# The update and its truncation ------------------------------------------------------------------


def test_weights_are_those_of_the_layers_without_embeddings_and_head():
    names = set(lora.weights(tiny_classifier()))
    assert len(names) == 2 * 6
    assert "bert.encoder.layer.1.output.dense" in names
    assert not any("pooler" in n or "classifier" in n or "embeddings" in n for n in names)


def test_matrices_of_gpt2_are_turned_to_output_by_input():
    assert lora.weights(tiny_causal_model())["transformer.h.0.attn.c_attn"].shape == (48, 16)


def test_truncation_is_the_one_of_numpy():
    model, before = shifted_classifier()
    name = "bert.encoder.layer.0.intermediate.dense"
    update = lora.updates(before, model)[name]
    after = model.get_submodule(name).weight.detach().numpy()
    u, s, v = np.linalg.svd(after - before[name].numpy(), full_matrices=False)
    expected = before[name].numpy() + u[:, :3] @ np.diag(s[:3]) @ v[:3]
    np.testing.assert_allclose(update.truncated(3).numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(update.values.numpy(), s, rtol=1e-4)


def test_rank_zero_takes_the_update_out_and_full_rank_keeps_it():
    model, before = shifted_classifier()
    for name, update in lora.updates(before, model).items():
        whole = model.get_submodule(name).weight
        assert torch.equal(update.truncated(0), before[name])
        torch.testing.assert_close(update.truncated(16), whole.detach(), atol=1e-6, rtol=1e-5)


def test_a_negative_rank_keeps_what_the_positive_one_leaves_out():
    start, end = torch.zeros(12, 9), torch.randn(12, 9, generator=torch.Generator().manual_seed(0))
    update = lora.Update.between(start, end)
    torch.testing.assert_close(update.truncated(2) + update.truncated(-2), end)
    assert torch.linalg.matrix_rank(update.truncated(-2)) == 7


def test_no_other_matrix_of_that_rank_is_nearer():
    start, end = torch.zeros(12, 9), torch.randn(12, 9, generator=torch.Generator().manual_seed(0))
    update = lora.Update.between(start, end)
    best = (update.truncated(2) - end).norm()
    # What the truncation leaves is what its share lacks.
    assert float(best / end.norm()) == pytest.approx(math.sqrt(1 - update.share(2)), rel=1e-4)
    for seed in range(20):
        g = torch.Generator().manual_seed(seed)
        columns = torch.linalg.qr(torch.randn(12, 2, generator=g)).Q
        assert (columns @ columns.T @ end - end).norm() > best


def test_shares_grow_to_one():
    model, before = shifted_classifier()
    shares = lora.energy_shares(lora.updates(before, model), [1, 4, 16])
    assert shares.shape == (12, 3)
    assert (np.diff(shares.to_numpy(), axis=1) > 0).all()
    np.testing.assert_allclose(shares[16], 1)


def test_an_update_of_rank_one_is_told_from_a_random_one_of_the_same_norm():
    one = torch.outer(torch.arange(20.0), torch.ones(20))
    update = lora.Update.between(torch.zeros(20, 20), one)
    noise = lora.random_like(update)
    assert update.share(1) == pytest.approx(1)
    assert noise.share(1) < 0.4
    torch.testing.assert_close(noise.values.norm(), update.values.norm())


def test_cosine_is_the_share_that_two_updates_have_in_common():
    def random(seed):
        return torch.randn(60, 60, generator=torch.Generator().manual_seed(seed))

    start, shared = torch.zeros(60, 60), random(0)
    one, other = (lora.Update.between(start, shared + random(seed)) for seed in (1, 2))
    assert one.cosine(one, 60) == pytest.approx(1, abs=1e-5)
    # 3,600 numbers: chance has a cosine of 1/60 (standard error); three of them are allowed.
    assert one.cosine(other, 60) == pytest.approx(0.5, abs=0.05)
    alone = lora.Update.between(start, random(3))
    assert one.cosine(alone, -8) == pytest.approx(0, abs=0.05)


def test_cosine_compares_the_parts_that_are_named():
    first, rest, other = torch.zeros(3, 4, 4)
    first[0, 0], rest[1, 1], other[2, 2] = 2, 1, 1
    one, two = (lora.Update.between(torch.zeros(4, 4), first + end) for end in (rest, other))
    assert one.cosine(two, 1) == pytest.approx(1)
    assert one.cosine(two, -1) == pytest.approx(0, abs=1e-6)
    assert one.cosine(two, 4) == pytest.approx(4 / 5)


def test_spectra_have_a_row_for_each_kind_matrix_and_rank():
    model, before = shifted_classifier()
    updates = lora.updates(before, model)
    shares = lora.spectra({"update": updates, "again": updates}, [1, 4, 16])
    assert list(shares) == ["kind", "rank", "share"]
    assert len(shares) == 2 * 12 * 3
    mean = shares[shares["kind"] == "again"].groupby("rank")["share"].mean()
    np.testing.assert_allclose(mean, lora.energy_shares(updates, [1, 4, 16]).mean())


def test_truncated_model_computes_with_the_cut_matrices_and_gets_its_own_back():
    for make in (tiny_classifier, tiny_causal_model):
        model = make().eval()
        before = lora.weights(model)
        ids = torch.randint(5, 20, (2, 6), generator=torch.Generator().manual_seed(0))
        start = model(ids).logits
        with torch.no_grad():
            for name in before:
                model.get_submodule(name).weight += 0.1
        trained = model(ids).logits
        updates = lora.updates(before, model)
        with lora.truncated(model, updates, 0):
            torch.testing.assert_close(model(ids).logits, start)
        with lora.truncated(model, updates, 1):  # adding 0.1 everywhere is an update of rank one
            torch.testing.assert_close(model(ids).logits, trained, atol=1e-5, rtol=1e-4)
        assert torch.equal(model(ids).logits, trained)


def test_the_matrices_come_back_when_something_fails_inside():
    model, before = shifted_classifier()
    whole = lora.weights(model)
    with pytest.raises(KeyboardInterrupt), lora.truncated(model, lora.updates(before, model), 0):
        raise KeyboardInterrupt
    assert all(torch.equal(whole[name], now) for name, now in lora.weights(model).items())


def test_an_adapter_must_be_merged_before_its_update_is_looked_at():
    model = tiny_classifier()
    before = lora.weights(model)
    lora.adapt(model, LoraConfig(r=2, target_modules=["query"]))
    with pytest.raises(ValueError, match="merge an adapter first"):
        lora.updates(before, model)


def test_a_merged_adapter_is_an_update_of_its_rank():
    model = tiny_classifier()
    before = lora.weights(model)
    config = LoraConfig(r=2, target_modules=["query"], init_lora_weights=False)
    merged = lora.adapt(model, config, seed=0).merge_and_unload()
    updates = lora.updates(before, merged)
    changed = {name for name, update in updates.items() if update.values.max() > 1e-6}
    assert changed == {f"bert.encoder.layer.{i}.attention.self.query" for i in range(2)}
    assert all(updates[name].share(2) == pytest.approx(1) for name in changed)


# Formulas against peft ---------------------------------------------------------------------------


def adapted_linear(**settings):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 10))
    config = LoraConfig(target_modules=["0"], init_lora_weights=False, **settings)
    layer = lora.adapt(model, config).base_model.model[0]
    return layer, layer.lora_A["default"].weight, layer.lora_B["default"].weight


@pytest.mark.parametrize("rank_stabilised", [False, True])
def test_scaling_is_that_of_peft(rank_stabilised):
    layer, _, _ = adapted_linear(r=4, lora_alpha=6, use_rslora=rank_stabilised)
    assert lora.scaling(4, 6, rank_stabilised) == layer.scaling["default"]


def test_a_rank_below_one_has_no_scaling():
    with pytest.raises(ValueError, match="at least 1"):
        lora.scaling(0, 8)


def test_alpha_is_the_rate_of_B_under_adam():
    assert lora.small_run(16, 0.01) == pytest.approx(lora.small_run(4, 0.04), rel=1e-6)
    assert lora.small_run(16, 0.01) != pytest.approx(lora.small_run(4, 0.01), rel=1e-3)


def test_dora_weight_is_the_merged_weight_of_peft():
    layer, A, B = adapted_linear(r=4, lora_alpha=6, use_dora=True)
    magnitude = layer.lora_magnitude_vector["default"].weight
    with torch.no_grad():
        magnitude *= 1.5
    ours = lora.dora_weight(layer.base_layer.weight, A, B, magnitude, layer.scaling["default"])
    layer.merge()
    torch.testing.assert_close(layer.base_layer.weight, ours)


def test_adapt_with_a_seed_draws_the_same_factors_and_leaves_the_random_state():
    config = LoraConfig(r=2, target_modules=["query"], task_type="SEQ_CLS")
    models = [lora.adapt(tiny_classifier(), config, seed=seed) for seed in (1, 1, 2)]
    first, again, other = (
        torch.cat([p.flatten() for n, p in model.named_parameters() if "lora_A" in n])
        for model in models
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    model, state = tiny_classifier(), torch.get_rng_state()
    lora.adapt(model, config, seed=3)
    assert torch.equal(torch.get_rng_state(), state)


def test_fit_trains_factors_and_head_and_leaves_the_rest():
    model = lora.adapt(
        tiny_classifier(), LoraConfig(r=2, target_modules=["query"], task_type="SEQ_CLS"), seed=0
    )
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    fit(model, reviews(), tokenizer=tiny_tokenizer(), learning_rate=0.01, epochs=1, progress=False)
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {name for name in before if "lora_" in name or "modules_to_save" in name}


# Counts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("targets", ["query and value", "attention", "all linear"])
@pytest.mark.parametrize("dora", [False, True])
@pytest.mark.parametrize("make", [tiny_classifier, tiny_causal_model])
def test_counts_are_those_of_peft(make, targets, dora):
    model = make()
    counted = lora.lora_parameters(model, 3, targets, dora=dora)
    names = list(lora.TARGETS[model.config.model_type][targets])
    turned = make is tiny_causal_model
    config = LoraConfig(r=3, target_modules=names, use_dora=dora, fan_in_fan_out=turned)
    adapted = lora.adapt(model, config)
    assert counted == sum(p.numel() for p in adapted.parameters() if p.requires_grad)


def test_narrow_keys_and_values_of_mistral_are_counted_as_they_are():
    shapes = lora.lora_shapes(lora.published("mistralai/Mistral-7B-v0.1"), "attention")
    by_name = shapes.set_index("module")
    assert tuple(by_name.loc["k_proj"]) == (1024, 4096, 32)
    assert tuple(by_name.loc["q_proj"]) == (4096, 4096, 32)


def test_all_linear_layers_of_every_family_in_the_table():
    ids = ("google-bert/bert-base-uncased", "FacebookAI/roberta-base", "openai-community/gpt2")
    for hub_id in ids:
        shapes = lora.lora_shapes(lora.published(hub_id), "all linear")
        # Attention holds 4 x 768 x 768 weights a layer, the feed-forward part twice as many.
        assert (shapes.d_out * shapes.d_in * shapes.matrices).sum() == 12 * 12 * 768 * 768


def test_unknown_targets_list_what_there_is():
    with pytest.raises(ValueError, match=r"no linear module ends in q_proj.*'query'"):
        lora.lora_shapes(tiny_classifier(), ["q_proj"])


def test_training_memory():
    assert lora.training_gigabytes(1_000_000_000, 1_000_000_000) == 16
    assert lora.training_gigabytes(1_000_000_000, 1_000_000) == pytest.approx(2.016)
    assert lora.training_gigabytes(1_000_000_000, 1_000_000, frozen_bits=4) == pytest.approx(0.516)


def test_bill_of_a_published_model():
    bill = lora.bill("meta-llama/Llama-2-7b-hf", 8, "query and value").set_index("what")["how much"]
    assert bill["matrices adapted"] == "64 (q_proj, v_proj)"
    assert bill["parameters trained"] == "4,194,304"
    assert bill["share of the model"] == "0.062% of 6,738,415,616"
    assert bill["adapter file, 16 bits"] == "8.4 MB"
    assert bill["training all weights"] == "107.8 GB"


# Four bits ---------------------------------------------------------------------------------------

# The table in bitsandbytes (functional.py, get_4bit_type), rounded to six places.
BITSANDBYTES = [
    -1.0, -0.696193, -0.525073, -0.394917, -0.284441, -0.184773, -0.091050, 0.0,
    0.079580, 0.160930, 0.246112, 0.337915, 0.440710, 0.562617, 0.722957, 1.0,
]  # fmt: skip


def test_normal_float_levels_are_the_published_ones():
    np.testing.assert_allclose(lora.nf4_levels().numpy(), BITSANDBYTES, atol=1e-6)


def test_uniform_levels_hold_zero_and_are_evenly_spaced():
    levels = lora.uniform_levels()
    assert len(levels) == 15
    assert 0 in levels
    np.testing.assert_allclose(np.diff(levels.numpy()), 1 / 7, rtol=1e-6)


@pytest.mark.parametrize("levels", [lora.nf4_levels(), lora.uniform_levels()])
def test_every_number_goes_to_the_nearest_level_of_its_block(levels):
    weight = torch.randn(8, 64, generator=torch.Generator().manual_seed(0))
    rounded = lora.round_to_levels(weight, levels)
    for block, got in zip(weight, rounded, strict=True):
        scale = block.abs().max()
        nearest = levels[(block[:, None] / scale - levels).abs().argmin(dim=1)] * scale
        torch.testing.assert_close(got, nearest)


def test_a_block_of_zeros_stays_zero():
    assert torch.equal(lora.round_to_levels(torch.zeros(64), lora.nf4_levels()), torch.zeros(64))


def test_a_size_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="do not divide into blocks of 64"):
        lora.round_to_levels(torch.zeros(65), lora.nf4_levels())


def test_a_published_model_is_the_callers_own():
    hub_id = "openai-community/gpt2"
    mine = lora.published(hub_id)
    before = sum(p.numel() for p in mine.parameters())
    del mine.lm_head, mine.transformer.h[0]
    assert sum(p.numel() for p in lora.published(hub_id).parameters()) == before
