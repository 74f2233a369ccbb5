"""Decoding: 4-bit files become folders that transformers loads, exact and made all or nothing."""

import resource
import struct

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from safetensors.numpy import save_file
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer

from tlhelpers.assets.fetching import AssetError, fetch, write_manifest
from tlhelpers.pretrained import from_assets as decoding

HIDDEN, LAYERS, HEADS, FEED_FORWARD, POSITIONS = 32, 2, 2, 64, 16
PIECES = [
    ("<s>", 0.0),
    ("<pad>", 0.0),
    ("</s>", 0.0),
    ("<unk>", 0.0),
    ("▁", -3.0),
    ("▁hello", -4.0),
    ("▁wor", -5.0),
    ("ld", -5.5),
    ("～", -6.0),
    ("~", -6.5),
    ("é", -7.0),
    ("<mask>", 0.0),
]
SPARE_ROWS = 4  # the word table is longer than the vocabulary, as in the real file


def made_tensors() -> dict[str, np.ndarray]:
    """Random weights under the names of the file; matrices are already rounded to 4 bits."""
    random = np.random.default_rng(0)

    def matrix(*shape: int) -> np.ndarray:
        blocks = quantize(random.normal(size=shape).astype("f4"), GGMLQuantizationType.Q4_0)
        return dequantize(blocks, GGMLQuantizationType.Q4_0)

    def vector(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype("<f4")

    tensors = {
        "emb.word": matrix(len(PIECES) + SPARE_ROWS, HIDDEN),
        "emb.pos": vector(POSITIONS, HIDDEN),
        "emb.type": vector(2, HIDDEN),
        "emb.ln.w": vector(HIDDEN),
        "emb.ln.b": vector(HIDDEN),
    }
    for layer in range(LAYERS):
        for name, rows, columns in [
            ("q", HIDDEN, HIDDEN),
            ("k", HIDDEN, HIDDEN),
            ("v", HIDDEN, HIDDEN),
            ("ao", HIDDEN, HIDDEN),
            ("fi", FEED_FORWARD, HIDDEN),
            ("fo", HIDDEN, FEED_FORWARD),
        ]:
            tensors[f"l{layer}.{name}.w"] = matrix(rows, columns)
            tensors[f"l{layer}.{name}.b"] = vector(rows)
        for name in ("aln.w", "aln.b", "oln.w", "oln.b"):
            tensors[f"l{layer}.{name}"] = vector(HIDDEN)
    return tensors


def is_4_bit(name: str) -> bool:
    return name == "emb.word" or (name.endswith(".w") and "ln" not in name)


def e5_bytes(tensors: dict[str, np.ndarray], block: int = 32) -> bytes:
    """Write the format that `read_e5` documents."""
    texts = [piece.encode() for piece, _ in PIECES]
    sizes = (HIDDEN, LAYERS, HEADS, FEED_FORWARD, len(PIECES) + SPARE_ROWS, POSITIONS, 2)
    head = b"E5S1" + struct.pack("<I7ifi", 1, *sizes, 1e-12, block)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, sum(map(len, texts)))
    head += np.cumsum([0, *map(len, texts)]).astype("<u4").tobytes()
    head += np.array([score for _, score in PIECES], "<f4").tobytes() + b"".join(texts)
    replaced = struct.pack("<IBI", ord("É"), 1, ord("e")) + struct.pack("<IB", 0x7F, 0)
    head += struct.pack("<iI", 2, len(replaced)) + replaced + struct.pack("<i", len(tensors))

    bodies = {
        name: quantize(tensor, GGMLQuantizationType.Q4_0).tobytes()
        if is_4_bit(name)
        else tensor.tobytes()
        for name, tensor in tensors.items()
    }
    offset = len(head) + sum(2 + len(name) + 21 for name in tensors)
    directory, body = b"", b""
    for name, data in bodies.items():
        directory += struct.pack(f"<H{len(name)}s", len(name), name.encode())
        size = tensors[name].size
        directory += struct.pack("<BIQQ", is_4_bit(name), size, offset + len(body), len(data))
        body += data
    return head + directory + body


@pytest.fixture
def e5(tmp_path):
    """A made file, and the folder decoded from it."""
    (tmp_path / "asset").mkdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "asset" / "e5-small-q4.bin").write_bytes(e5_bytes(made_tensors()))
    decoding._build_multilingual(tmp_path / "asset", tmp_path / "folder")
    return tmp_path / "folder"


# --- the 4-bit file -------------------------------------------------------------------------------


def test_an_e5_file_is_read_to_the_last_digit(tmp_path):
    expected = made_tensors()
    path = tmp_path / "made.bin"
    path.write_bytes(e5_bytes(expected))
    file = decoding.read_e5(path)
    assert file.pieces == PIECES
    assert file.special_ids == {"bos": 0, "eos": 2, "pad": 1, "unk": 3}
    assert file.normalization == {"É": "e", "\x7f": ""}
    assert file.config["num_hidden_layers"] == LAYERS
    assert file.config["layer_norm_eps"] == 1e-12
    assert file.tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(file.tensors[name], tensor.reshape(-1), err_msg=name)


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"GGUF" + bytes(100), "b'GGUF'"), (e5_bytes(made_tensors(), block=64), "blocks of 64")],
    ids=["another format", "another block length"],
)
def test_a_file_of_another_kind_is_refused(tmp_path, data, message):
    (tmp_path / "other.bin").write_bytes(data)
    with pytest.raises(AssetError, match=message):
        decoding.read_e5(tmp_path / "other.bin")


def test_transformers_loads_the_decoded_encoder_with_every_weight_in_its_place(e5):
    model, report = AutoModel.from_pretrained(e5, add_pooling_layer=False, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    tensors = made_tensors()
    first = model.encoder.layer[0]
    for weight, name in [
        (model.embeddings.word_embeddings.weight, "emb.word"),
        (first.attention.self.value.weight, "l0.v.w"),
        (first.intermediate.dense.weight, "l0.fi.w"),
        (model.encoder.layer[1].output.dense.weight, "l1.fo.w"),
        (model.encoder.layer[1].output.LayerNorm.bias, "l1.oln.b"),
    ]:
        np.testing.assert_array_equal(weight.detach().numpy(), tensors[name], err_msg=name)
    assert model.dtype == torch.float32


def test_the_tokenizer_of_the_folder_knows_its_special_pieces_and_limits(e5):
    tokenizer = AutoTokenizer.from_pretrained(e5)
    assert tokenizer("hello  world ")["input_ids"] == [0, 5, 6, 7, 2]
    assert tokenizer("hello", "hello")["input_ids"] == [0, 5, 2, 2, 5, 2]
    assert tokenizer.decode([0, 5, 6, 7, 2], skip_special_tokens=True) == "hello world"
    assert tokenizer("<mask>")["input_ids"] == [0, 11, 2]
    assert tokenizer.model_max_length == POSITIONS
    batch = tokenizer(["hello", "hello world"], padding=True, return_tensors="pt")
    assert batch["input_ids"].tolist() == [[0, 5, 2, 1, 1], [0, 5, 6, 7, 2]]
    assert set(batch) == {"input_ids", "attention_mask"}


def test_compatible_letters_are_made_one_but_the_full_width_tilde_stays(e5):
    tokenizer = AutoTokenizer.from_pretrained(e5)
    assert tokenizer.tokenize("ｈｅｌｌｏ") == ["▁hello"]
    assert tokenizer.tokenize("～~") == ["▁", "～", "~"]
    assert tokenizer.tokenize("e\u0301") == ["▁", "é"]


# --- all or nothing -------------------------------------------------------------------------------


@pytest.fixture
def built(tmp_path, monkeypatch):
    """`_built` on an asset that lies there already; the models folder is in `tmp_path`."""
    monkeypatch.setenv("TL_CACHE", str(tmp_path))
    monkeypatch.setattr(decoding, "folder_of", lambda name: tmp_path / "assets" / f"{name}-abc")
    monkeypatch.setattr(decoding, "fetch", lambda name: tmp_path / "assets" / f"{name}-abc")
    return decoding._built


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
    tokenizer = AutoTokenizer.from_pretrained(decoding.encoder_folder())
    assert tokenizer.backend_tokenizer.padding is None
    assert tokenizer.backend_tokenizer.truncation is None
    assert tokenizer.backend_tokenizer.encode("hello").ids == [101, 7592, 102]
    assert len(tokenizer("word " * 600)["input_ids"]) == 602
    assert len(tokenizer("word " * 600, truncation=True)["input_ids"]) == 512


@pytest.mark.real_assets("encoder")
def test_the_encoder_has_all_its_weights_and_tells_meanings_apart():
    folder = decoding.encoder_folder()
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
    tokenizer = AutoTokenizer.from_pretrained(decoding.multilingual_folder())
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
def test_the_normalisation_agrees_with_the_map_in_the_file_for_every_character():
    """All but U+1F23B, which Unicode added after the model's map was made."""
    file = decoding.read_e5(fetch("multilingual") / "e5-small-q4.bin")
    normalize = decoding.e5_tokenizer(file).normalizer.normalize_str
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    differing = [
        character
        for character in characters
        if normalize(character) != file.normalization.get(character, character)
    ]
    assert set(differing) <= {"\U0001f23b", "\ufdd0"}


@pytest.mark.slow
@pytest.mark.real_assets("multilingual")
def test_the_multilingual_encoder_puts_translations_together():
    folder = decoding.multilingual_folder()
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
    tokenizer = AutoTokenizer.from_pretrained(decoding.decoder_folder())
    assert tokenizer.tokenize("x  1984") == ["x", "ĠĠ", "1", "9", "8", "4"]
    assert tokenizer("<|im_start|>user")["input_ids"][0] == tokenizer.bos_token_id == 1
    assert tokenizer.eos_token == "<|im_end|>"
    text = "Café, 3 o'clock: 日本\n"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@pytest.mark.slow
@pytest.mark.real_assets("decoder")
def test_the_decoder_answers_and_answers_the_same_again():
    folder = decoding.decoder_folder()
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
    config = AutoConfig.from_pretrained(decoding.decoder_folder())
    assert (config.num_hidden_layers, config.hidden_size) == (30, 576)
    assert (config.num_attention_heads, config.num_key_value_heads) == (9, 3)
    assert config.vocab_size == 49_152 and config.tie_word_embeddings
    assert not hasattr(config, "quantization_config")


@pytest.mark.slow
@pytest.mark.real_assets("decoder")
def test_the_decoder_equals_the_gguf_file():
    (path,) = fetch("decoder").glob("*.gguf")
    model = load_decoder(decoding.decoder_folder())
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
    there = getattr(decoding, f"{name}_folder")()
    getattr(decoding, f"_build_{name}")(fetch(name), tmp_path)
    write_manifest(tmp_path)
    assert (tmp_path / "MANIFEST.sha256").read_text() == (there / "MANIFEST.sha256").read_text()
