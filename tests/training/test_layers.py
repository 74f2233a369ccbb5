import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    DebertaV2Config,
    DebertaV2ForMaskedLM,
    DebertaV2ForSequenceClassification,
    DebertaV2Model,
    MPNetConfig,
    MPNetForSequenceClassification,
    Trainer,
    TrainingArguments,
)

from tests.tiny_models import tiny_causal_model, tiny_classifier, tiny_masked_model, tiny_seq2seq
from tlhelpers.training.layers import (
    freeze,
    layer_groups,
    parameter_groups,
    trained_parameters,
    unfreeze,
    unfreeze_in_turn,
    unfrozen_groups,
)


@pytest.mark.parametrize(
    "make", [tiny_classifier, tiny_masked_model, tiny_causal_model, tiny_seq2seq]
)
def test_every_parameter_is_in_one_group(make):
    model = make()
    names = [name for members in layer_groups(model).values() for name in members]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())


def test_groups_of_a_bert_run_from_embeddings_to_head():
    groups = layer_groups(tiny_classifier())
    assert list(groups) == ["embeddings", "layer 0", "layer 1", "head"]
    assert all("embeddings" in name for name in groups["embeddings"])
    assert "bert.encoder.layer.1.output.dense.weight" in groups["layer 1"]
    assert {"classifier.weight", "bert.pooler.dense.weight"} <= set(groups["head"])


def test_a_decoder_in_an_encoder_decoder_follows_its_encoder():
    groups = layer_groups(tiny_seq2seq())
    assert [name for name in groups if "layer" in name] == [f"layer {n}" for n in range(4)]
    assert all(name.startswith("decoder.block.1") for name in groups["layer 3"])


def test_shared_layers_are_one_group():
    model = AlbertForSequenceClassification(
        AlbertConfig(
            vocab_size=30, embedding_size=8, hidden_size=16, intermediate_size=16,
            num_attention_heads=2,
        )
    )  # fmt: skip
    assert list(layer_groups(model)) == ["embeddings", "layer 0", "head"]


# As published: the relative positions have a norm, the larger ones a convolution beside the layers.
DEBERTA = DebertaV2Config(
    vocab_size=30, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=16, max_position_embeddings=32, relative_attention=True,
    position_buckets=4, norm_rel_ebd="layer_norm", share_att_key=True,
    pos_att_type=["p2c", "c2p"], conv_kernel_size=3, conv_act="gelu",
)  # fmt: skip


@pytest.mark.parametrize(
    "kind", [DebertaV2ForSequenceClassification, DebertaV2ForMaskedLM, DebertaV2Model]
)
def test_relative_positions_named_behind_the_layers_are_no_head(kind):
    groups = layer_groups(kind(DEBERTA))
    inner = {"rel_embeddings.weight", "LayerNorm.weight", "LayerNorm.bias", "conv.conv.weight"}
    found = {name.partition("encoder.")[2] for name in groups["embeddings"]}
    assert inner <= found
    assert not any("encoder" in name for name in groups.get("head", []))
    assert ("head" in groups) == (kind is not DebertaV2Model)
    assert "encoder.layer.1.output.dense.weight" in " ".join(groups["layer 1"])


def test_the_relative_positions_of_mpnet_are_no_head():
    config = MPNetConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=32,
    )  # fmt: skip
    groups = layer_groups(MPNetForSequenceClassification(config))
    assert "mpnet.encoder.relative_attention_bias.weight" in groups["embeddings"]
    assert all(name.startswith("classifier.") for name in groups["head"])


# peft 0.21 asks transformers 5.23 by the old name; nothing that we could write otherwise.
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_adapters_belong_to_their_layer():
    adapter = LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["query"])
    model = get_peft_model(tiny_classifier(), adapter)
    layer = layer_groups(model)["layer 1"]
    assert sum("lora_" in name for name in layer) == 2
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    groups = parameter_groups(model, 1e-3)
    assert {name for group in groups for name in group["names"]} == trained


def test_freezing_leaves_the_head_and_unfreezing_undoes_it():
    model = tiny_classifier()
    everything = trained_parameters(model)
    head = sum(dict(model.named_parameters())[n].numel() for n in layer_groups(model)["head"])
    assert freeze(model) == head
    assert unfreeze(model, ["layer 1"]) > head
    assert unfreeze(model) == everything
    assert freeze(model, "embeddings") < everything


def test_an_unknown_group_is_refused_by_name():
    with pytest.raises(ValueError, match="no layer group 'layer 9': it has embeddings, layer 0"):
        freeze(tiny_classifier(), ["layer 9"])


def test_gradual_unfreezing_goes_down_one_group_an_epoch():
    groups = ["embeddings", "layer 0", "layer 1", "head"]
    assert unfrozen_groups(groups, 0, 1) == ["head"]
    assert unfrozen_groups(groups, 1.5, 1) == ["layer 1", "head"]
    assert unfrozen_groups(groups, 3, 1) == groups
    assert unfrozen_groups(groups, 99, 1) == groups
    assert unfrozen_groups(groups, 1, 0.5) == ["layer 0", "layer 1", "head"]


def test_each_layer_has_the_rate_of_the_one_above_times_the_decay():
    groups = parameter_groups(tiny_classifier(), 1e-3, layer_decay=0.5)
    rates = {group["layer"]: group["lr"] for group in groups}
    assert rates == pytest.approx(
        {"head": 1e-3, "layer 1": 5e-4, "layer 0": 2.5e-4, "embeddings": 1.25e-4}
    )


def test_the_same_parameters_decay_as_in_the_trainer(tmp_path):
    model = tiny_classifier()
    ours = {
        name
        for group in parameter_groups(model, 1e-3, weight_decay=0.1)
        if group["weight_decay"]
        for name in group["names"]
    }
    trainer = Trainer(model, TrainingArguments(tmp_path, report_to="none", use_cpu=True))
    assert ours == set(trainer.get_decay_parameter_names(model))


def test_groups_train_in_an_optimiser_of_torch():
    model = tiny_classifier()
    optimizer = torch.optim.AdamW(parameter_groups(model, 1e-3, layer_decay=0.9))
    assert sum(len(g["params"]) for g in optimizer.param_groups) == len(list(model.parameters()))


def test_layers_are_unfrozen_when_it_is_their_turn_and_only_then():
    model = tiny_classifier()
    names = {p: name for name, p in model.named_parameters()}
    groups = layer_groups(model)
    assert unfreeze_in_turn(names, groups, epoch=0, unfreeze_every=1)
    assert {name for p, name in names.items() if p.requires_grad} == set(groups["head"])
    assert not unfreeze_in_turn(names, groups, epoch=0.5, unfreeze_every=1)
    assert unfreeze_in_turn(names, groups, epoch=1, unfreeze_every=1)
    trained = {name for p, name in names.items() if p.requires_grad}
    assert trained == {*groups["head"], *groups["layer 1"]}


def test_a_layer_joins_on_time_whatever_the_fractions_round_to():
    groups = ["embeddings", "layer 0", "layer 1", "layer 2", "head"]
    for step in range(1, 5):
        assert len(unfrozen_groups(groups, step * 3 / 30, 0.1)) == step + 1
    assert len(unfrozen_groups(groups, 0.3, 0.1)) == 4
    assert len(unfrozen_groups(groups, 0.29, 0.1)) == 3


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_layers_without_anything_to_train_have_no_turn():
    adapter = LoraConfig(r=2, target_modules=["query"])  # the head stays as it is
    model = get_peft_model(tiny_classifier(), adapter)
    names = {p: name for name, p in model.named_parameters() if p.requires_grad}
    unfreeze_in_turn(names, layer_groups(model), epoch=0, unfreeze_every=1)
    trained = {name for p, name in names.items() if p.requires_grad}
    assert trained and all(".layer.1." in name for name in trained)
