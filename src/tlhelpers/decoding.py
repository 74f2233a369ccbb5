"""Turn fetched assets into folders that transformers loads with ``from_pretrained(folder)``.

Each function returns the folder of one model: ``config.json``, ``model.safetensors``,
``tokenizer.json`` and ``tokenizer_config.json``. The first call makes it, all or nothing, under a
lock; later calls only return its path.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tlhelpers.assets import cache_folder, fetch, folder_of, locked, made_whole

__all__ = ["encoder_folder"]


def encoder_folder() -> Path:
    """Folder of all-MiniLM-L6-v2, a BERT encoder: 6 layers, hidden size 384, 22.7 M parameters.

    The published tokenizer file cuts and pads every text to 128 pieces. Both settings are taken
    out, so that padding and truncation are what the caller asks for (at most 512 pieces).
    """
    return _built("encoder", _build_encoder)


def _built(name: str, build: Callable[[Path, Path], None], recipe: int = 1) -> Path:
    """Return the folder made from an asset by ``build(asset_folder, new_folder)``.

    Raise `recipe` when `build` changes, so that folders made the old way are not used.
    """
    folder = cache_folder() / "models" / f"{folder_of(name).name}-{recipe}"
    if folder.is_dir():
        return folder
    asset = fetch(name)
    with locked(f"{name}-model"):
        if not folder.is_dir():
            with made_whole(folder) as fresh:
                build(asset, fresh)
    return folder


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
