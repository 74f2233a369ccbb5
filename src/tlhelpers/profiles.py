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
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    import torch
    from torch import nn

    from tlhelpers.device import Choice

ProfileName = Literal["tiny", "full"]
PROFILE_NAMES: tuple[ProfileName, ...] = ("tiny", "full")

T = TypeVar("T")


@dataclass(frozen=True)
class Profile:
    """What size of model and data a page uses.

    Attributes
    ----------
    name : str
        ``"tiny"`` or ``"full"``.
    reason : str
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
_device: Choice[torch.device] | None = None


def resolve(profile: str | Profile = "auto") -> Profile:
    """Turn a profile's name into a `Profile` with its reason.

    Parameters
    ----------
    profile : str or Profile
        ``"tiny"``, ``"full"``, or ``"auto"``: what the environment variable ``TL_PROFILE`` says,
        else ``"full"`` where there is a CUDA GPU, else ``"tiny"``.

    Returns
    -------
    Profile
        Name and reason.

    Raises
    ------
    ValueError
        If the name, or the value of ``TL_PROFILE``, is none of these.
    """
    if isinstance(profile, Profile):
        return profile
    if profile in PROFILE_NAMES:
        return Profile(profile, "given as a parameter of the run")
    if profile != "auto":
        raise ValueError(f"profile is {profile!r}; it must be 'auto', 'tiny' or 'full'")
    wanted = os.environ.get("TL_PROFILE", "")
    if wanted in PROFILE_NAMES:
        return Profile(wanted, "set by TL_PROFILE")
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


def device_for(model: nn.Module | None = None, requested: str = "auto") -> Choice[torch.device]:
    """Choose the device that a model runs on.

    Parameters
    ----------
    model : nn.Module, optional
        One that is on a GPU already stays there, unless another device is requested by name.
    requested : str
        A device's name, or ``"auto"``: where the model is, else what `start` chose, else what
        `tlhelpers.device.choose_device` finds.

    Returns
    -------
    Choice of torch.device
        The device and the reason.

    Raises
    ------
    ValueError
        If the requested device is not there.
    """
    from tlhelpers.device import Choice, choose_device

    if requested != "auto":
        return choose_device(requested)
    weight = next(model.parameters(), None) if model is not None else None
    if weight is not None and weight.device.type not in ("cpu", "meta"):
        return Choice(weight.device, "the model is there")
    return _device or choose_device()


def by_profile(*, tiny: T, full: T) -> T:
    """Return the value meant for the profile in use, e.g. a number of examples or of epochs.

    Parameters
    ----------
    tiny, full : object
        The value for each profile.

    Returns
    -------
    object
        One of the two.

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
    profile : Profile
        The profile and its reason.
    device : torch.device
        Where models are put, trained and run.
    precision : torch.dtype
        The number format of the arithmetic while training.
    seed : int
        The seed that was set everywhere.
    threads : int
        CPU threads that PyTorch uses.
    versions : dict of str to str
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


def start(profile: str | Profile = "auto", seed: int = 0, device: str = "auto") -> Run:
    """Begin a run: choose profile, device and precision, seed everything, and say all of it.

    Parameters
    ----------
    profile : str or Profile
        As for `resolve`. It stays in force for `load`, `data` and `by_profile` until the next
        call.
    seed : int
        Seed for every random number generator.
    device : str
        ``"auto"``, or a name such as ``"cpu"`` or ``"cuda:1"``: where `load` puts models, and
        where they are trained and run.

    Returns
    -------
    Run
        What was chosen.
    """
    global _active, _device
    import torch

    from tlhelpers.device import choose_device, choose_precision

    chosen = _active = resolve(profile)
    set_seed(seed)
    _device = choose_device(device)
    where, device_reason = _device
    precision, precision_reason = choose_precision(where)
    packages = ("torch", "transformers", "datasets", "peft", "tlhelpers")
    versions = {"python": platform.python_version()} | {name: version(name) for name in packages}
    run = Run(chosen, where, precision, seed, torch.get_num_threads(), versions)
    print(f"profile    {chosen.name} ({chosen.reason})")
    if chosen.is_miniature:
        print("           miniature models and data: no figure below means anything")
    print(f"device     {where} ({device_reason})")
    print(f"precision  {str(precision).removeprefix('torch.')} ({precision_reason})")
    print(f"threads    {run.threads} · seed {seed}")
    print("versions   " + " · ".join(f"{name} {number}" for name, number in versions.items()))
    return run
