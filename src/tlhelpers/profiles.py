"""Profiles, roles and the start of a run.

A chapter asks for a model or a data set by *role* ("encoder", "sentiment"). The profile decides
what that role means on this machine: ``tiny`` reads real pretrained weights and real text from
the package registry and trains on a CPU; ``full`` reads the models and data sets of the
literature from the model hub and wants a GPU.
"""

from __future__ import annotations

import os
import platform
import random
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal, TypeVar, cast

ProfileName = Literal["tiny", "full"]
PROFILE_NAMES: tuple[ProfileName, ...] = ("tiny", "full")

T = TypeVar("T")


@dataclass(frozen=True)
class Profile:
    """What size of model and data a page uses.

    Parameters
    ----------
    name
        ``"tiny"`` or ``"full"``.
    reason
        Why this one, in words that can be printed after the name.
    """

    name: ProfileName
    reason: str

    @property
    def is_miniature(self) -> bool:
        """Whether the hub is a test fixture: the code path counts, the figures mean nothing."""
        return os.environ.get("TL_MINIATURE") == "1"

    def __str__(self) -> str:
        """Return the name."""
        return self.name


_active: Profile | None = None


def resolve(profile: str | Profile = "auto") -> Profile:
    """Turn a profile's name into a `Profile` with its reason.

    Parameters
    ----------
    profile
        ``"tiny"``, ``"full"``, or ``"auto"``: what the environment variable ``TL_PROFILE`` says,
        else ``"full"`` where there is a CUDA GPU, else ``"tiny"``.

    Raises
    ------
    ValueError
        If the name, or the value of ``TL_PROFILE``, is none of these.
    """
    if isinstance(profile, Profile):
        return profile
    if profile in PROFILE_NAMES:
        return Profile(cast(ProfileName, profile), "asked for by name")
    if profile != "auto":
        raise ValueError(f"profile is {profile!r}; it must be 'auto', 'tiny' or 'full'")
    wanted = os.environ.get("TL_PROFILE", "")
    if wanted in PROFILE_NAMES:
        return Profile(cast(ProfileName, wanted), "set by TL_PROFILE")
    if wanted not in ("", "auto"):
        raise ValueError(
            f"the environment variable TL_PROFILE is {wanted!r}; set it to 'tiny' or 'full', "
            "or unset it"
        )
    import torch

    if torch.cuda.is_available():
        return Profile("full", f"found a CUDA GPU, {torch.cuda.get_device_name(0)}")
    return Profile("tiny", "no CUDA GPU here")


def current(profile: str | Profile | None = None) -> Profile:
    """Return the given profile, else the one that `start` chose, else what ``"auto"`` gives."""
    if profile is not None:
        return resolve(profile)
    return _active if _active is not None else resolve("auto")


def by_profile(*, tiny: T, full: T) -> T:
    """Return the value meant for the profile in use, e.g. a number of examples or of epochs.

    Examples
    --------
    >>> labels = by_profile(tiny=500, full=5_000)
    """
    return tiny if current().name == "tiny" else full


@dataclass(frozen=True)
class Run:
    """What `start` resolved: read it, or pass its parts on.

    Attributes
    ----------
    profile
        The profile and its reason.
    device
        Where models are trained.
    precision
        The number format of the arithmetic while training.
    seed
        The seed that was set everywhere.
    threads
        CPU threads that PyTorch uses.
    versions
        Package name to version.
    """

    profile: Profile
    device: Any
    precision: Any
    seed: int
    threads: int
    versions: dict[str, str]


def set_seed(seed: int) -> None:
    """Seed Python, NumPy, PyTorch (every device) and, through them, transformers."""
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)


def start(profile: str | Profile = "auto", seed: int = 0) -> Run:
    """Begin a run: choose profile, device and precision, seed everything, and say all of it.

    Parameters
    ----------
    profile
        As for `resolve`. It stays in force for `load`, `data` and `by_profile` until the next
        call.
    seed
        Seed for every random number generator.

    Returns
    -------
    Run
        What was chosen.
    """
    global _active
    import torch

    from tlhelpers.device import choose_device, choose_precision

    chosen = _active = resolve(profile)
    set_seed(seed)
    device, device_reason = choose_device()
    precision, precision_reason = choose_precision(device)
    packages = ("torch", "transformers", "datasets", "peft", "tlhelpers")
    versions = {"python": platform.python_version()} | {name: version(name) for name in packages}
    run = Run(chosen, device, precision, seed, torch.get_num_threads(), versions)
    print(f"profile    {chosen.name} ({chosen.reason})")
    if chosen.is_miniature:
        print("           miniature models and data: no figure below means anything")
    print(f"device     {device} ({device_reason})")
    print(f"precision  {str(precision).removeprefix('torch.')} ({precision_reason})")
    print(f"threads    {run.threads} · seed {seed}")
    print("versions   " + " · ".join(f"{name} {number}" for name, number in versions.items()))
    return run


# --------------------------------------------------------------------------------------------
# Roles
# --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelSource:
    """Where the model of one role comes from in one profile.

    Parameters
    ----------
    name
        What it is called, for the reader.
    hub
        Its id on the model hub.
    asset
        For the tiny profile: the function of `tlhelpers.decoding` that returns its folder,
        without the ending ``_folder``. None if it exists on the hub only.
    licence
        Licence of the weights.
    revision
        Branch, tag or commit on the hub.
    note
        What a user must know.
    checked
        How id and licence were checked.
    """

    name: str
    hub: str
    licence: str
    asset: str | None = None
    revision: str = "main"
    note: str = ""
    checked: str = ""


@dataclass(frozen=True)
class DataSource:
    """Where the data set of one role comes from in one profile.

    Parameters
    ----------
    name
        What it is called, for the reader.
    kind
        ``"classification"``, ``"pairs"``, ``"tokens"``, ``"question-answering"``,
        ``"summarisation"``, ``"translation"`` or ``"text"``.
    licence, citation
        Of the content.
    hub, config, revision
        Id, configuration and revision on the hub; None for an asset.
    asset
        Name in `tlhelpers.assets.ASSETS`; None if it comes from the hub.
    columns
        The source's column names and what they are called here.
    splits
        The source's name for train, validation and test. A missing one is cut from train.
    label_names
        Readable names of the classes, in the order of their numbers.
    note
        What a user must know.
    checked
        How id, configuration and columns were checked.
    """

    name: str
    kind: str
    licence: str
    citation: str
    hub: str | None = None
    config: str | None = None
    revision: str | None = None
    asset: str | None = None
    columns: tuple[tuple[str, str], ...] = ()
    splits: tuple[tuple[str, str], ...] = ()
    label_names: tuple[str, ...] = ()
    note: str = ""
    checked: str = ""


MODELS: dict[str, dict[str, ModelSource]] = {
    "encoder": {
        "tiny": ModelSource(
            "all-MiniLM-L6-v2",
            hub="sentence-transformers/all-MiniLM-L6-v2",
            asset="encoder",
            licence="Apache-2.0",
            note="a BERT of 6 layers, hidden size 384; no masked-language-model head",
        ),
        "full": ModelSource(
            "BERT-base, uncased", hub="google-bert/bert-base-uncased", licence="Apache-2.0"
        ),
    },
}

DATASETS: dict[str, dict[str, DataSource]] = {
    "sentiment": {
        "tiny": DataSource(
            "movie-review sentences with human ratings",
            kind="classification",
            asset="sentiment",
            licence="MIT",
            citation=(
                "C.J. Hutto and E. Gilbert (2014). VADER: A Parsimonious Rule-based Model for "
                "Sentiment Analysis of Social Media Text. ICWSM."
            ),
            label_names=("negative", "positive"),
            note=(
                "sentences of Rotten Tomatoes critics, rated from -4 to 4 by 20 people or so; "
                "the ids name no review or film, so a film may occur in two splits"
            ),
        ),
        "full": DataSource(
            "IMDB",
            kind="classification",
            hub="stanfordnlp/imdb",
            config="plain_text",
            licence="not stated",
            citation=(
                "A.L. Maas et al. (2011). Learning Word Vectors for Sentiment Analysis. ACL."
            ),
            splits=(("train", "train"), ("test", "test")),
            label_names=("negative", "positive"),
            note="its rows are sorted by class: shuffle before you take the first ones",
        ),
    },
}


def source(table: dict[str, dict[str, T]], role: str, profile: str | Profile | None = None) -> T:
    """Look a role up in `MODELS` or `DATASETS`.

    Raises
    ------
    LookupError
        If no such role exists, or it exists in the other profile only; the message lists
        what there is.
    """
    chosen = current(profile)
    if role not in table:
        raise LookupError(f"no role {role!r}; the roles are {', '.join(sorted(table))}")
    if chosen.name not in table[role]:
        here = sorted(name for name, entry in table.items() if chosen.name in entry)
        raise LookupError(
            f"{role!r} has nothing in the {chosen.name} profile: it needs the "
            f"{'model hub' if chosen.name == 'tiny' else 'tiny profile'}. "
            f"Here you can have {', '.join(here)}; or use profile="
            f"{'full' if chosen.name == 'tiny' else 'tiny'!r}"
        )
    return table[role][chosen.name]
