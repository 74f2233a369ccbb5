"""Models by role: real weights, their own tokenizer, honest about what is random."""

import re
import shutil

import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BartConfig,
    BertConfig,
    DebertaV2Config,
    RobertaConfig,
    RobertaForTokenClassification,
    RobertaTokenizer,
)

from tests.tiny_models import reviews, tiny_classifier, tiny_tokenizer
from tlhelpers import device, profiles
from tlhelpers.device import Choice
from tlhelpers.pretrained.models import (
    class_names,
    count_parameters,
    load,
    meta_model,
    weights_folder,
)
from tlhelpers.training.fit import fit
from tlhelpers.training.prediction import predict

encoder = pytest.mark.real_assets("encoder")
LABELS = ["negative", "positive"]


@encoder
def test_a_role_gives_model_and_tokenizer_that_belong_together(capsys):
    model, tokenizer = load("encoder", profile="tiny")
    assert len(tokenizer) == model.config.vocab_size == 30_522
    assert tokenizer.is_fast
    assert model.dtype == torch.float32
    assert not model.training
    assert "all-MiniLM-L6-v2: BertModel, 22.7 M parameters" in capsys.readouterr().out


@encoder
def test_the_weights_are_the_pretrained_ones():
    """Two sentences of one meaning lie closer than two of different ones."""
    model, tokenizer = load("encoder", profile="tiny", quiet=True)
    texts = ["A man is eating food.", "Someone has a meal.", "The stock market fell sharply."]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state  # (3, T, 384)
    mask = batch["attention_mask"].unsqueeze(-1)
    mean = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
    same, other = (mean[0] @ mean[1]).item(), (mean[0] @ mean[2]).item()
    assert same > 0.5 > 0.2 > other


@encoder
def test_a_new_head_is_announced_and_the_pooler_below_it_is_pretrained(capsys):
    model, _ = load("encoder", task="classification", labels=LABELS, profile="tiny")
    assert "random until trained: classifier\n" in capsys.readouterr().out
    assert model.config.id2label == {0: "negative", 1: "positive"}
    assert model.config.label2id == {"negative": 0, "positive": 1}
    bare, _ = load("encoder", profile="tiny", quiet=True)
    torch.testing.assert_close(model.bert.pooler.dense.weight, bare.pooler.dense.weight)


@encoder
def test_random_weights_have_the_same_shapes_and_other_values():
    arguments = {"task": "classification", "labels": LABELS, "profile": "tiny", "quiet": True}
    pretrained, _ = load("encoder", **arguments)
    random, _ = load("encoder", pretrained=False, seed=0, **arguments)
    shapes = {name: p.shape for name, p in pretrained.named_parameters()}
    assert {name: p.shape for name, p in random.named_parameters()} == shapes
    word = "bert.embeddings.word_embeddings.weight"
    assert not torch.equal(random.get_parameter(word), pretrained.get_parameter(word))


@encoder
def test_a_seed_fixes_what_is_random_and_leaves_the_world_alone():
    arguments = {"task": "classification", "labels": LABELS, "profile": "tiny", "quiet": True}
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, _ = load("encoder", seed=1, **arguments)
    assert torch.rand(1) == expected
    second, _ = load("encoder", seed=1, **arguments)
    third, _ = load("encoder", seed=2, **arguments)
    assert torch.equal(first.classifier.weight, second.classifier.weight)
    assert not torch.equal(first.classifier.weight, third.classifier.weight)


@encoder
def test_a_head_that_was_never_pretrained_is_refused():
    with pytest.raises(ValueError, match="has no pretrained 'mlm' head") as error:
        load("encoder", task="mlm", profile="tiny")
    assert "pretrained=False" in str(error.value)
    model, _ = load("encoder", task="mlm", profile="tiny", pretrained=False, quiet=True)
    assert model.get_output_embeddings() is not None


@encoder
def test_settings_of_the_configuration_can_be_changed():
    model, _ = load(
        *("encoder", "classification", LABELS, "tiny"), hidden_dropout_prob=0.3, quiet=True
    )
    assert model.config.hidden_dropout_prob == 0.3
    assert model.bert.encoder.layer[0].output.dropout.p == 0.3


@encoder
def test_a_saved_model_comes_back_with_its_own_classes(tmp_path):
    model, tokenizer = load("encoder", "classification", LABELS, "tiny", quiet=True)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again, _ = load(str(tmp_path), task="classification", quiet=True)
    assert again.config.id2label == {0: "negative", 1: "positive"}
    torch.testing.assert_close(again.classifier.weight, model.classifier.weight)


@encoder
def test_labels_are_asked_for_where_the_task_needs_them():
    with pytest.raises(ValueError, match="'classification' needs labels"):
        load("encoder", task="classification", profile="tiny")
    with pytest.raises(ValueError, match="task None has no classes"):
        load("encoder", labels=LABELS, profile="tiny")


@pytest.mark.parametrize("labels", [1, 0, True, ["positive"], ClassLabel(names=["positive"])])
def test_one_class_does_not_become_a_regression_unless_asked(labels, tmp_path):
    with pytest.raises(ValueError, match=r"nothing to choose .* problem_type='regression'"):
        load("encoder", "classification", labels, "tiny")
    tiny_classifier().save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    how = {"problem_type": "regression", "quiet": True}
    model, _ = load(str(tmp_path), "classification", 1, **how)
    assert model.config.num_labels == 1
    assert model.config.problem_type == "regression"


SMALL = {"vocab_size": 22, "max_position_embeddings": 32, "num_labels": 2}
BART = BartConfig(
    d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
    decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, init_std=0.1, **SMALL,
)  # fmt: skip
DEBERTA = DebertaV2Config(
    hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, **SMALL
)


@pytest.mark.parametrize("config", [BART, DEBERTA])
def test_a_head_for_other_classes_can_be_put_on(config, tmp_path):
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    model, _ = load(str(tmp_path), "classification", ["a", "b", "c"], quiet=True)
    assert model.config.num_labels == 3
    # A head that learns is drawn at random, none of its matrices left at zero.
    matrices = [p for name, p in model.named_parameters() if "classif" in name and p.ndim == 2]
    assert matrices and all(p.std() > 0.005 for p in matrices)


def test_an_unknown_task_is_refused_with_the_choices():
    with pytest.raises(ValueError, match=r"'classify'; it must be one of .*'classification'"):
        load("encoder", task="classify", profile="tiny")


def test_a_hub_out_of_reach_says_what_to_do():
    with pytest.raises(ConnectionError, match="cannot get FacebookAI/roberta-base") as error:
        load("roberta", profile="full")
    assert "profile='tiny'" in str(error.value)


@encoder
def test_transformers_alone_loads_what_a_role_names():
    folder = weights_folder("encoder", profile="tiny")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, report = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    ours, _ = load("encoder", profile="tiny", quiet=True)
    batch = tokenizer(["A film.", "A longer sentence."], padding=True, return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(model(**batch)[0], ours(**batch)[0], rtol=0, atol=0)


def test_the_weights_of_the_full_profile_are_named_by_their_hub_id(tmp_path):
    assert weights_folder("roberta", profile="full") == "FacebookAI/roberta-base"
    assert weights_folder("owner/model") == "owner/model"
    assert weights_folder(str(tmp_path)) == tmp_path
    with pytest.raises(LookupError, match="nonsense"):
        weights_folder("nonsense", profile="tiny")


def test_class_names_come_from_a_list_a_class_label_or_a_data_set():
    feature = ClassLabel(names=LABELS)
    split = Dataset.from_dict({"label": [0, 1]}, features=Features(label=feature))
    tagged = Dataset.from_dict(
        {"tokens": [["a"]], "tags": [[0]]},
        features=Features(tokens=List(Value("string")), tags=List(feature)),
    )
    for labels in (LABELS, feature, split, DatasetDict(train=split), tagged):
        assert class_names(labels) == LABELS


@pytest.mark.parametrize("labels", ["positive", [], ["a", "a"]])
def test_labels_that_are_no_list_of_distinct_names_are_refused(labels):
    with pytest.raises(ValueError, match="must be a list of distinct names"):
        class_names(labels)


def test_a_data_set_without_classes_is_refused():
    plain = Dataset.from_dict({"text": ["a"]})
    with pytest.raises(ValueError, match=r"0 columns of classes \(none\)"):
        class_names(plain)


# Counts as the papers or the hub's pages give them, to their own precision.
@pytest.mark.parametrize(
    ("hub_id", "task", "count"),
    [
        ("google-bert/bert-base-uncased", None, 109_482_240),
        ("google-bert/bert-large-uncased", None, 335_141_888),
        ("FacebookAI/roberta-base", None, 124_645_632),
        ("FacebookAI/xlm-roberta-base", None, 278_043_648),
        ("distilbert/distilbert-base-uncased", None, 66_362_880),
        ("microsoft/deberta-v3-base", None, 183_831_552),
        ("answerdotai/ModernBERT-base", None, 149_014_272),
        ("openai-community/gpt2", "causal", 124_439_808),
        ("mistralai/Mistral-7B-v0.1", "causal", 7_241_732_096),
        ("meta-llama/Meta-Llama-3-8B", "causal", 8_030_261_248),
        ("google-t5/t5-small", "seq2seq", 60_506_624),
        ("google/flan-t5-small", "seq2seq", 76_961_152),
        ("google/mt5-small", "seq2seq", 300_176_768),
        ("facebook/bart-base", "seq2seq", 139_420_416),
        ("facebook/nllb-200-distilled-600M", "seq2seq", 615_073_792),
    ],
)
def test_a_count_needs_no_download_and_no_memory(hub_id, task, count):
    model = meta_model(hub_id, task=task)
    assert count_parameters(model) == count
    assert all(parameter.is_meta for parameter in model.parameters())


@encoder
def test_the_published_configuration_counts_what_the_checkpoint_holds():
    model, _ = load("encoder", profile="tiny", quiet=True)
    assert count_parameters(meta_model("encoder", profile="tiny")) == count_parameters(model)


def test_a_configuration_given_is_not_changed():
    config = BertConfig(num_hidden_layers=1)
    model = meta_model(config, task="classification", labels=["a", "b", "c"])
    assert model.classifier.out_features == 3
    assert config.num_labels == 2


def test_trainable_parameters_are_counted_apart():
    layer = torch.nn.Linear(3, 2)
    layer.bias.requires_grad_(False)
    assert count_parameters(layer) == 8
    assert count_parameters(layer, trainable=True) == 6


@pytest.fixture
def base(tmp_path):
    """A model without a head in a folder, with its tokenizer."""
    folder = tmp_path / "base"
    tiny_classifier().bert.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return str(folder)


CLASSIFIER = {"task": "classification", "quiet": True}
QUICK = {"learning_rate": 1e-2, "epochs": 2, "batch_size": 16, "progress": False}


def adapted(base):
    model, tokenizer = load(base, labels=LABELS, seed=0, **CLASSIFIER)
    config = LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["query"])
    return get_peft_model(model, config), tokenizer


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize("with_adapter", [False, True])
def test_a_folder_that_fit_has_finished_is_opened(base, tmp_path, with_adapter, capsys):
    model, tokenizer = (
        adapted(base) if with_adapter else load(base, labels=LABELS, seed=0, **CLASSIFIER)
    )
    fit(model, reviews(32), reviews(16), tokenizer=tokenizer, output_dir=tmp_path / "run", **QUICK)
    again, its_tokenizer = load(str(tmp_path / "run"), "classification")
    assert "random" not in capsys.readouterr().out
    wanted = predict(model, reviews(8), tokenizer)
    assert predict(again, reviews(8), its_tokenizer) == pytest.approx(wanted, abs=1e-6)
    assert again.config.id2label == {0: "negative", 1: "positive"}
    trained = {name for name, p in again.named_parameters() if p.requires_grad}
    assert trained == {name for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_an_adapter_that_peft_saved_is_put_on_its_model(base, tmp_path):
    model, tokenizer = adapted(base)
    model.save_pretrained(tmp_path / "adapter")
    folder = str(tmp_path / "adapter")
    again, _ = load(folder, labels=LABELS, **CLASSIFIER)
    wanted = predict(model, reviews(8), tokenizer)
    assert predict(again, reviews(8), tokenizer) == pytest.approx(wanted, abs=1e-6)
    with pytest.raises(ValueError, match="needs labels"):
        load(folder, **CLASSIFIER)
    with pytest.raises(ValueError, match=r"does not fit: .* the labels that it was trained with"):
        load(folder, labels=["a", "b", "c"], **CLASSIFIER)
    shutil.rmtree(base)
    with pytest.raises(LookupError, match=r"which is not there: write where it is into adapter_"):
        load(folder, labels=LABELS, **CLASSIFIER)


def test_a_folder_without_a_model_says_so(tmp_path):
    with pytest.raises(LookupError, match=r"holds no model, which has a config\.json or adapter"):
        load(str(tmp_path), **CLASSIFIER)


def test_a_run_that_has_not_saved_its_model_says_how_to_come_by_it(base, tmp_path):
    def train():
        model, tokenizer = load(base, labels=LABELS, seed=0, **CLASSIFIER)
        return fit(model, reviews(32), tokenizer=tokenizer, output_dir=tmp_path / "run", **QUICK)

    model, tokenizer = train().model, tiny_tokenizer()
    wanted = predict(model, reviews(8), tokenizer)
    for file in (tmp_path / "run").glob("*.*"):  # as older versions left it
        file.unlink()
    with pytest.raises(LookupError, match="training run whose model was not saved") as error:
        load(str(tmp_path / "run"), **CLASSIFIER)
    weights = re.search(r"load_file\('(.*)'\), strict=False", str(error.value))[1]
    again, _ = load(base, labels=LABELS, seed=1, **CLASSIFIER)
    again.load_state_dict(load_file(weights), strict=False)
    assert predict(again, reviews(8), tokenizer) == pytest.approx(wanted, abs=1e-6)
    assert "not trained again" in train().reasons["resume"]
    saved, _ = load(str(tmp_path / "run"), **CLASSIFIER)
    assert predict(saved, reviews(8), tokenizer) == pytest.approx(wanted, abs=1e-6)


@pytest.fixture
def folder(tmp_path):
    tiny_classifier().save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    return str(tmp_path)


def test_a_tagger_of_byte_level_pieces_sees_where_each_word_begins(tmp_path):
    vocab = {piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])}
    vocab |= {"a": 5, "Ġ": 6, "Ġa": 7}
    RobertaTokenizer(vocab=vocab, merges=[("Ġ", "a")]).save_pretrained(tmp_path)
    small = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = RobertaConfig(vocab_size=8, intermediate_size=4, **small)
    RobertaForTokenClassification(config).save_pretrained(tmp_path)
    for task, pieces in {"tokens": ["Ġa", "Ġa"], None: ["a", "a"]}.items():
        _, tokenizer = load(str(tmp_path), task=task, labels=LABELS if task else None, quiet=True)
        assert tokenizer(["a", "a"], is_split_into_words=True).tokens()[1:-1] == pieces


def test_a_model_is_put_on_the_device_that_start_chose(folder, monkeypatch, capsys):
    meta = Choice(torch.device("meta"), "stands in for a GPU")
    monkeypatch.setattr(device, "choose_device", lambda requested="auto": meta)
    assert load(folder).model.device == meta.value
    assert load(folder, task="mlm", pretrained=False).model.device == meta.value
    profiles.start("tiny")
    monkeypatch.undo()
    assert load(folder).model.device == meta.value
    assert load(folder, device="cpu").model.device == torch.device("cpu")
    with pytest.raises(ValueError, match="'toaster' is not a device name"):
        load(folder, device="toaster")
