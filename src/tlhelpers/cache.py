"""The cache on disk: what was fetched or made once is there whole, or not at all.

It lies in the folder that ``TL_CACHE`` names, else in the user's cache folder. Inside it:
``assets/NAME-DIGEST/`` and other folders that are ready to use, ``downloads/`` (begun or placed by
hand), ``locks/``.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_dir

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class AssetError(RuntimeError):
    """An asset cannot be had or kept, or is damaged; the message says what to do about it."""


def cache_folder() -> Path:
    """Folder of everything fetched: ``TL_CACHE``, else the user's cache folder."""
    configured = os.environ.get("TL_CACHE")
    return Path(configured).expanduser() if configured else Path(user_cache_dir("tlhelpers"))


def build_once(
    folder: Path,
    build: Callable[[Path], object],
    *,
    lock: str,
    again: bool = False,
    proof: str = ".",
) -> Path:
    """Return a folder of the cache, building it first if it is not there yet.

    The folder has its name only once it is complete, whatever was killed, ran out of space or ran
    twice before: it is filled under another name, under a lock, and renamed at the end.

    Parameters
    ----------
    folder : pathlib.Path
        Where it lies once it is built.
    build : callable
        Fills the empty folder that it is given. If it raises, nothing is kept.
    lock : str
        What is built, in a word: processes that build it wait for each other.
    again : bool
        Replace what is there.
    proof : str
        A file in the folder without which it counts as missing.

    Returns
    -------
    pathlib.Path
        `folder`. Treat it as read-only.

    Raises
    ------
    AssetError
        If the disk is full or the cache folder cannot be used.
    """
    if (folder / proof).exists() and not again:
        return folder
    with disk_errors(), locked(lock):
        # It may be there by now: built by another process while this one waited.
        if again or not (folder / proof).exists():
            with _made_whole(folder) as fresh:
                build(fresh)
    return folder


def forget(folder: Path) -> None:
    """Remove a folder of the cache; its name is free at once."""
    shutil.rmtree(_set_aside(folder))


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock of one name across processes; the system frees it if the holder is killed."""
    path = cache_folder() / "locks" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=1)
    except Timeout:
        print(f"Another process is preparing {name!r}; waiting for it.", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _made_whole(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; it takes the name `folder` only if the block succeeds.

    Call it under `locked`: leftovers of a killed run are removed on the way in.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for leftover in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(leftover)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield fresh
        fresh.chmod(0o755)
        if folder.exists():
            _set_aside(folder)
        fresh.rename(folder)
    finally:
        for leftover in folder.parent.glob(f".{folder.name}.*"):
            shutil.rmtree(leftover, ignore_errors=True)


def _set_aside(folder: Path) -> Path:
    """Take a folder's name away at once; removing it file by file takes a while."""
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    folder.rename(aside / folder.name)
    return aside


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn an error of the file system into a message that says what to do."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        if error.errno in DISK_FULL:
            raise AssetError(
                f"The disk is full or a file-size limit was hit: {error.strerror}{where}."
                f" Nothing half-written was kept. Free some space, or set TL_CACHE to a folder on"
                f" a larger disk (it is {cache_folder()})."
            ) from error
        if error.errno is None:  # not the file system's: libraries raise OSError for much else
            raise
        raise AssetError(
            f"Cannot use the cache folder {cache_folder()}: {error.strerror or error}{where}."
            " Set TL_CACHE to a folder that you may write to."
        ) from error


def need_space(needed: int, folder: Path) -> None:
    """Raise `AssetError` if the disk of `folder` has fewer than `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise AssetError(
            f"Not enough room in {folder}: {needed / 1e6:,.0f} MB needed, {free / 1e6:,.0f} MB"
            " free. Free some space, or set TL_CACHE to a folder on a larger disk."
        )
