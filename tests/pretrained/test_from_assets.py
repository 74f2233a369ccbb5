"""Assets become folders that transformers loads, exact and made all or nothing."""

import resource

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer

from tlhelpers.assets.fetching import AssetError, fetch, write_manifest
from tlhelpers.pretrained import from_assets

# --- all or nothing -------------------------------------------------------------------------------


@pytest.fixture
def built(tmp_path, monkeypatch):
    """`_built` on an asset that lies there already; the models folder is in `tmp_path`."""
    monkeypatch.setenv("TL_CACHE", str(tmp_path))
    monkeypatch.setattr(from_assets, "folder_of", lambda name: tmp_path / "assets" / f"{name}-abc")
    monkeypatch.setattr(from_assets, "fetch", lambda name: tmp_path / "assets" / f"{name}-abc")
    return from_assets._built


def test_a_folder_is_built_once(built):
    calls = []

    def build(asset, folder):
        calls.append(asset.name)
        (folder / "config.json").write_text("{}")

    first = built("made", build)
    assert built("made", build) == first
    assert calls == ["made-abc"]
    assert {path.name for path in first.iterdir()} == {"config.json", "MANIFEST.sha256"}


def test_a_build_that_fails_leaves_nothing_and_the_next_one_starts_anew(built, tmp_path):
    def fail(asset, folder):
        (folder / "half.safetensors").write_bytes(b"half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        built("made", fail)
    assert not list((tmp_path / "models").iterdir())
    assert built("made", lambda asset, folder: None).is_dir()


def test_a_disk_that_fills_up_while_building_is_explained_and_leaves_nothing(built, tmp_path):
    def build(asset, folder):
        save_file({"weight": np.zeros(1_000_000, "f4")}, folder / "model.safetensors")

    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(AssetError, match=r"Cannot write the model .* Free some space"):
            built("made", build)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))
    assert not list((tmp_path / "models").iterdir())


def test_a_model_that_does_not_fit_is_not_begun(built):
    with pytest.raises(AssetError, match="Not enough room"):
        built("made", lambda asset, folder: pytest.fail("began"), size=10**18)


def test_a_changed_recipe_does_not_use_the_old_folder(built):
    def build(asset, folder):
        pass

    assert built("made", build) != built("made", build, recipe=2)


# --- the real ones --------------------------------------------------------------------------------


@pytest.mark.real_assets("encoder")
def test_the_encoder_pads_and_cuts_only_when_asked():
    tokenizer = AutoTokenizer.from_pretrained(from_assets.encoder_folder())
    assert tokenizer.backend_tokenizer.padding is None
    assert tokenizer.backend_tokenizer.truncation is None
    assert tokenizer.backend_tokenizer.encode("hello").ids == [101, 7592, 102]
    assert len(tokenizer("word " * 600)["input_ids"]) == 602
    assert len(tokenizer("word " * 600, truncation=True)["input_ids"]) == 512


@pytest.mark.real_assets("encoder")
def test_the_encoder_has_all_its_weights_and_tells_meanings_apart():
    folder = from_assets.encoder_folder()
    model, report = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert model.num_parameters() == 22_713_216
    texts = ["A man is eating food.", "A man eats a meal.", "Share prices fell today."]
    similarity = cosines(model, AutoTokenizer.from_pretrained(folder), texts)
    assert similarity[0, 1] > 0.85 > 0.2 > similarity[0, 2]


def cosines(model, tokenizer, texts) -> torch.Tensor:
    """Cosine of the mean-pooled last hidden states, each text with each."""
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = model.eval()(**batch).last_hidden_state  # (B, T, H)
    mask = batch["attention_mask"][..., None]  # (B, T, 1)
    pooled = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)
    return pooled @ pooled.T


@pytest.mark.real_assets("multilingual")
def test_the_multilingual_tokenizer_gives_the_ids_of_xlm_roberta():
    """Expected ids: transformers' own integration tests for XLM-RoBERTa (from fairseq)."""
    tokenizer = AutoTokenizer.from_pretrained(from_assets.multilingual_folder())
    assert tokenizer("Hello World!")["input_ids"] == [0, 35378, 6661, 38, 2]
    hard = (
        "This is a very long text with a lot of weird characters, such as:"
        ' . , ~ ? ( ) " [ ] ! : - . Also we will add words that should not exsist and be'
        " tokenized to <unk>, such as"
        " saoneuhaoesuth"
    )
    expected = (
        "0 3293 83 10 4552 4989 7986 678 10 5915 111 179459 124850 4 6044 237 12 6 5 6 4 6780 705"
        " 15 1388 44 378 10114 711 152 20 6 5 22376 642 1221 15190 34153 450 5608 959 1119 57702"
        " 136 186 47 1098 29367 47 3 6 4 6044 237 6284 50901 528 31 90 34 927 2"
    )
    assert tokenizer(hard)["input_ids"] == [int(number) for number in expected.split()]


@pytest.mark.slow
@pytest.mark.real_assets("multilingual")
def test_the_multilingual_encoder_puts_translations_together():
    folder = from_assets.multilingual_folder()
    model = AutoModel.from_pretrained(folder, add_pooling_layer=False)
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (12, 384)
    assert model.num_parameters() == 117_505_920
    cats = [
        "The cat sleeps.",
        "Die Katze schläft.",
        "猫在睡觉。",
        "बिल्ली सो रही है।",
        "القطة نائمة.",
    ]
    rates = [
        "Interest rates will rise next year.",
        "Die Zinsen werden nächstes Jahr steigen.",
        "明年利率将上升。",
        "ब्याज दरें अगले साल बढ़ेंगी।",
    ]
    texts = [f"query: {text}" for text in cats + rates]
    similarity = cosines(model, AutoTokenizer.from_pretrained(folder), texts)
    same = torch.block_diag(torch.ones(5, 5), torch.ones(4, 4)).bool()
    assert similarity[same].min() > similarity[~same].max(), similarity


@pytest.mark.real_assets("decoder")
def test_the_decoder_splits_numbers_into_digits_and_knows_its_chat_marks():
    tokenizer = AutoTokenizer.from_pretrained(from_assets.decoder_folder())
    assert tokenizer.tokenize("x  1984") == ["x", "ĠĠ", "1", "9", "8", "4"]
    assert tokenizer("<|im_start|>user")["input_ids"][0] == tokenizer.bos_token_id == 1
    assert tokenizer.eos_token == "<|im_end|>"
    text = "Café, 3 o'clock: 日本\n"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@pytest.mark.slow
@pytest.mark.real_assets("decoder")
def test_the_decoder_answers_and_answers_the_same_again():
    folder = from_assets.decoder_folder()
    tokenizer, model = AutoTokenizer.from_pretrained(folder), load_decoder(folder)
    assert model.num_parameters() == 134_515_008 and model.dtype == torch.float32
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    answers = [model.generate(**prompt, max_new_tokens=12, do_sample=False) for _ in range(2)]
    assert torch.equal(*answers)
    assert "The capital of France is Paris." in tokenizer.decode(answers[0][0])


def load_decoder(folder, **options):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options).eval()


@pytest.mark.real_assets("decoder")
def test_the_decoder_has_the_shape_that_the_gguf_file_states():
    config = AutoConfig.from_pretrained(from_assets.decoder_folder())
    assert (config.num_hidden_layers, config.hidden_size) == (30, 576)
    assert (config.num_attention_heads, config.num_key_value_heads) == (9, 3)
    assert config.vocab_size == 49_152 and config.tie_word_embeddings
    assert not hasattr(config, "quantization_config")


@pytest.mark.slow
@pytest.mark.real_assets("decoder")
def test_the_decoder_equals_the_gguf_file():
    (path,) = fetch("decoder").glob("*.gguf")
    model = load_decoder(from_assets.decoder_folder())
    direct = load_decoder(path.parent, gguf_file=path.name)
    weights = model.state_dict()
    for name, weight in direct.state_dict().items():
        assert torch.equal(weight, weights[name]), name
    ids = torch.tensor([[788, 216, 33, 41, 40, 36]])
    with torch.no_grad():
        assert torch.equal(model(ids).logits, direct(ids).logits)


@pytest.mark.slow
@pytest.mark.real_assets("encoder", "multilingual")
@pytest.mark.parametrize("name", ["encoder", "multilingual"])
def test_building_again_gives_the_same_bytes(name, tmp_path):
    there = getattr(from_assets, f"{name}_folder")()
    getattr(from_assets, f"_build_{name}")(fetch(name), tmp_path)
    write_manifest(tmp_path)
    assert (tmp_path / "MANIFEST.sha256").read_text() == (there / "MANIFEST.sha256").read_text()
