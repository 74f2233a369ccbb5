"""What is read off an adapted model, against peft's own counts and what can be counted by hand."""

import pytest
from peft import LoraConfig

from tests.tiny_models import tiny_causal_model, tiny_classifier, tiny_seq2seq
from tlhelpers.pretrained.models import meta_model
from tlhelpers.subjects import adapters, lora

BERT, GPT2 = "google-bert/bert-base-uncased", "openai-community/gpt2"
LLAMA, T5 = "meta-llama/Llama-2-7b-hf", "google-t5/t5-small"


def adapted(model, targets, rank=4, **settings):
    turned = model.config.model_type == "gpt2"  # its matrices are stored the other way round
    config = LoraConfig(r=rank, target_modules=targets, fan_in_fan_out=turned, **settings)
    return lora.adapt(model, config, seed=0)


def modules_by_place(model):
    return adapters.adapted(model).set_index("place")["modules"].to_dict()


@pytest.mark.parametrize(
    ("hub_id", "task", "targets"),
    [
        (BERT, None, ["query", "value"]),
        (BERT, None, "all-linear"),
        (GPT2, "causal", ["c_attn", "c_proj"]),
        (LLAMA, "causal", ["q_proj", "k_proj", "down_proj"]),
        (T5, "seq2seq", ["q", "v", "wo"]),
    ],
)
def test_numbers_are_those_that_peft_counts(hub_id, task, targets):
    model = adapted(meta_model(hub_id, task=task), targets)
    table = adapters.adapted(model)
    assert table.numbers.sum() == model.get_nb_trainable_parameters()[0]
    assert table.modules.sum() == len(model.targeted_module_names)
    assert (table.numbers == 4 * (table.d_out + table.d_in) * table.modules).all()


@pytest.mark.parametrize("settings", [{}, {"use_dora": True}])
@pytest.mark.parametrize(
    ("make", "targets"),
    [(tiny_classifier, ["query"]), (tiny_causal_model, ["c_attn"]), (tiny_seq2seq, ["q", "o"])],
)
def test_numbers_of_other_settings_too(make, targets, settings):
    model = adapted(make(), targets, **settings)
    assert adapters.adapted(model).numbers.sum() == model.get_nb_trainable_parameters()[0]


def test_the_head_is_not_among_them():
    model = adapted(tiny_classifier(), ["query"], task_type="SEQ_CLS")
    head = sum(
        weight.numel() for weight in model.base_model.model.classifier.original_module.parameters()
    )
    assert adapters.adapted(model).numbers.sum() == model.get_nb_trainable_parameters()[0] - head


def test_a_short_name_matches_more_than_attention():
    block = "transformer.h.*"
    assert modules_by_place(adapted(meta_model(GPT2, task="causal"), ["c_proj"])) == {
        f"{block}.attn.c_proj": 12,
        f"{block}.mlp.c_proj": 12,
    }
    meant = adapted(meta_model(GPT2, task="causal"), ["attn.c_proj"])
    assert modules_by_place(meant) == {f"{block}.attn.c_proj": 12}


def test_stars_stand_for_layers_alone():
    places = modules_by_place(adapted(meta_model(T5, task="seq2seq"), ["q"]))
    assert places == {
        "encoder.block.*.layer.*.SelfAttention.q": 6,
        "decoder.block.*.layer.*.SelfAttention.q": 6,
        "decoder.block.*.layer.*.EncDecAttention.q": 6,
    }


def test_each_of_two_adapters_has_its_own():
    model = adapted(tiny_classifier(), ["query"], rank=2)
    model.add_adapter("second", LoraConfig(r=3, target_modules=["value"]))
    for name, rank, place in (("default", 2, "query"), ("second", 3, "value")):
        (row,) = adapters.adapted(model, name).to_dict("records")
        assert row["place"].endswith(place)
        assert row["numbers"] == 2 * rank * (16 + 16)


def test_an_adapter_that_is_not_there_is_named():
    model = adapted(tiny_classifier(), ["query"])
    with pytest.raises(ValueError, match="no adapter 'film': there is default"):
        adapters.adapted(model, "film")


def test_four_bits_are_for_linear_layers_without_the_output():
    linear = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008)
    kept = 2 * 32_000 * 4096 + 65 * 4096  # embeddings, output matrix, norms
    found = adapters.bytes_in_four_bits(meta_model(LLAMA, task="causal"))
    assert found == pytest.approx(linear * 4.127 / 8 + 2 * kept, rel=1e-5)


def test_matrices_of_gpt2_are_counted_and_its_tied_output_is_kept():
    found = adapters.bytes_in_four_bits(meta_model(GPT2, task="causal"))
    linear = 12 * 12 * 768 * 768
    assert found == pytest.approx(linear * 4.127 / 8 + 2 * (124_439_808 - linear), rel=1e-5)
