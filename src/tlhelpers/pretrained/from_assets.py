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
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors import SafetensorError

from tlhelpers.assets.fetching import fetch, folder_of, write_manifest
from tlhelpers.cache import AssetError, build_once, cache_folder, need_space
from tlhelpers.pretrained.e5_file import as_bert, e5_tokenizer, read_e5

__all__ = ["decoder_folder", "encoder_folder", "multilingual_folder"]


# --- what callers ask for -------------------------------------------------------------------------


def encoder_folder() -> Path:
    """Folder of all-MiniLM-L6-v2, a BERT encoder: 6 layers, hidden size 384, 22.7 M parameters.

    The published tokenizer file cuts and pads every text to 128 pieces. Both settings are taken
    out, so that padding and truncation are what the caller asks for (at most 512 pieces).

    Returns
    -------
    pathlib.Path
        The folder, for ``from_pretrained``.
    """
    return _built("encoder", _build_encoder)


def multilingual_folder() -> Path:
    """Folder of multilingual-e5-small, a BERT encoder: 12 layers, hidden 384, 117.5 M parameters.

    Decoded from 4 bits to float32, exactly: half precision would round once more, and would stay
    half precision when loaded. The file has no pooler; mean-pool the last hidden state. Texts get
    the prefix ``"query: "``.

    Returns
    -------
    pathlib.Path
        The folder, for ``from_pretrained``.
    """
    return _built("multilingual", _build_multilingual, size=490_000_000)


def decoder_folder() -> Path:
    """Folder of SmolLM2-135M-Instruct, a Llama decoder: 30 layers, hidden 576, 134.5 M parameters.

    Decoded from 4 bits to float32, so that it equals the GGUF file to the last digit, and loads in
    a second where the GGUF file takes half a minute.

    Returns
    -------
    pathlib.Path
        The folder, for ``from_pretrained``.
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


def _build_multilingual(asset: Path, folder: Path) -> None:
    from safetensors.numpy import save_file
    from transformers import BertConfig, PreTrainedTokenizerFast

    file = read_e5(asset / "e5-small-q4.bin")
    config = BertConfig(**file.config, pad_token_id=file.special_ids["pad"])
    config.architectures = ["BertModel"]
    config.save_pretrained(folder)
    save_file(
        {name: np.ascontiguousarray(tensor) for name, tensor in as_bert(file)},
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
