"""Take the wanted files out of an archive: no links, and no path that leads outside."""

from __future__ import annotations

import fnmatch
import hashlib
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from tlhelpers.cache import AssetError

if TYPE_CHECKING:
    from tlhelpers.assets.table import Source

CHUNK = 1 << 16  # bytes that are held in memory at a time


def unpack(archive: Path, source: Source, destination: Path) -> dict[str, str]:
    """Write the wanted members below `destination`; return their paths and digests.

    Parameters
    ----------
    archive : pathlib.Path
        A zip or tar file.
    source : Source
        Which of its members are wanted, and how many bytes they take.
    destination : pathlib.Path
        An empty folder.

    Returns
    -------
    dict of str to str
        The sha256 of each file by its path below `destination`.

    Raises
    ------
    AssetError
        If a member's path leads outside, one is lacking, or they are larger than noted.
    """
    digests: dict[str, str] = {}
    left = source.unpacked
    patterns = {pattern: 0 for pattern in source.members}

    def take(path: Path, wanted: dict[str, str]) -> None:
        """Walk one archive; `wanted` maps a pattern inside it to the whole pattern."""
        nonlocal left
        nested: dict[str, dict[str, str]] = {}
        for inside, whole in wanted.items():
            outer, found, rest = inside.partition("!")
            if found:
                nested.setdefault(outer, {})[rest] = whole
        for member, stream in _regular_files(path):
            if member in nested:
                with tempfile.TemporaryDirectory(dir=destination) as folder:
                    inner = Path(folder) / PurePosixPath(member).name
                    with stream() as reader, inner.open("wb") as writer:
                        shutil.copyfileobj(reader, writer, CHUNK)
                    take(inner, nested[member])
            for inside, whole in wanted.items():
                if "!" in inside or not fnmatch.fnmatchcase(member, inside):
                    continue
                patterns[whole] += 1
                relative = _safe_path(member, inside)
                target = destination / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                digest = hashlib.sha256()
                with stream() as reader, target.open("xb") as writer:
                    while chunk := reader.read(CHUNK):
                        left -= len(chunk)
                        if left < 0:
                            raise AssetError(
                                f"{source.filename} unpacks to more than the"
                                f" {source.unpacked:,} bytes noted for it; nothing was kept."
                            )
                        digest.update(chunk)
                        writer.write(chunk)
                digests[str(relative)] = digest.hexdigest()
                break

    take(archive, {pattern: pattern for pattern in source.members})
    lacking = [pattern for pattern, count in patterns.items() if count == 0]
    if lacking:
        raise AssetError(f"{source.filename} has no member {', '.join(lacking)}.")
    return digests


def _regular_files(archive: Path) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    """Yield name and opener of each plain file of a zip or tar; links and devices are left out."""
    if not tarfile.is_tarfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                mode = info.external_attr >> 16
                if not info.is_dir() and not stat.S_ISLNK(mode):
                    yield info.filename, lambda info=info: zipped.open(info)  # type: ignore[misc]
    else:
        with tarfile.open(archive) as tarred:
            for member in tarred:
                if member.isreg():
                    yield member.name, lambda member=member: tarred.extractfile(member)  # type: ignore[misc]


def _safe_path(member: str, pattern: str) -> PurePosixPath:
    """Path of a member below the asset's folder; refuse one that would leave it."""
    fixed = pattern.split("*")[0].split("?")[0].split("[")[0].rpartition("/")[0]
    relative = PurePosixPath(member.removeprefix(fixed).lstrip("/") if fixed else member)
    if relative.is_absolute() or ".." in relative.parts or "\\" in member or ":" in member:
        raise AssetError(f"The archive's member {member!r} points outside its folder; refused.")
    return relative
