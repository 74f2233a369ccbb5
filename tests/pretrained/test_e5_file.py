"""The 4-bit E5 file is read exactly, and transformers loads what it is translated to."""

import struct

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from transformers import AutoModel, AutoTokenizer

from tlhelpers.assets.fetching import AssetError, fetch
from tlhelpers.pretrained import from_assets
from tlhelpers.pretrained.e5_file import e5_tokenizer, read_e5

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
    from_assets._build_multilingual(tmp_path / "asset", tmp_path / "folder")
    return tmp_path / "folder"


def test_an_e5_file_is_read_to_the_last_digit(tmp_path):
    expected = made_tensors()
    path = tmp_path / "made.bin"
    path.write_bytes(e5_bytes(expected))
    file = read_e5(path)
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
        read_e5(tmp_path / "other.bin")


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


@pytest.mark.slow
@pytest.mark.real_assets("multilingual")
def test_the_normalisation_agrees_with_the_map_in_the_file_for_every_character():
    """All but U+1F23B, which Unicode added after the model's map was made."""
    file = read_e5(fetch("multilingual") / "e5-small-q4.bin")
    normalize = e5_tokenizer(file).normalizer.normalize_str
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    differing = [
        character
        for character in characters
        if normalize(character) != file.normalization.get(character, character)
    ]
    assert set(differing) <= {"\U0001f23b", "\ufdd0"}
