"""Where to compute, in which precision, with how much memory: each answer with its reason."""

import importlib.util
import os
import platform
import sys
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import torch

Value = TypeVar("Value")


class Choice(NamedTuple, Generic[Value]):
    """A decision and why it was taken; unpacks as ``value, reason``."""

    value: Value
    reason: str


PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(requested: str = "auto") -> Choice[torch.device]:
    """Choose the device to train on.

    Parameters
    ----------
    requested : str
        ``"auto"`` takes a CUDA GPU, else Apple's GPU, else the processor; any other value is a
        name that ``torch.device`` understands, such as ``"cpu"`` or ``"cuda:1"``.

    Returns
    -------
    Choice of torch.device
        The device and the reason.

    Raises
    ------
    ValueError
        If the requested device is not there.
    """
    if requested != "auto":
        try:
            device = torch.device(requested)
        except RuntimeError as error:
            raise ValueError(
                f"device={requested!r} is not a device name: use 'auto', 'cpu', 'cuda' or 'mps'"
            ) from error
        there = {
            "cpu": True,
            "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
            "mps": torch.backends.mps.is_available(),
        }
        if not there.get(device.type, False):
            raise ValueError(f"device={requested!r} is not on this machine: use 'auto' or 'cpu'")
        return Choice(device, f"requested: {requested}")
    if torch.cuda.is_available():
        # Under `accelerate launch` each process has its own GPU, named by its local rank.
        index = int(os.environ.get("LOCAL_RANK", torch.cuda.current_device()))
        index %= torch.cuda.device_count()
        name = torch.cuda.get_device_name(index)
        return Choice(torch.device("cuda", index), f"auto-detected: CUDA GPU {name}")
    if torch.backends.mps.is_available():
        return Choice(torch.device("mps"), "auto-detected: Apple GPU (Metal)")
    threads = torch.get_num_threads()
    plural = "" if threads == 1 else "s"
    return Choice(torch.device("cpu"), f"no GPU found: the processor, {threads} thread{plural}")


def choose_precision(
    device: torch.device | None = None, requested: str = "auto"
) -> Choice[torch.dtype]:
    """Choose the precision of the matrix products; the weights themselves stay in float32.

    Parameters
    ----------
    device : torch.device, optional
        Where the training runs; ``choose_device()`` if it is not given.
    requested : str
        ``"fp32"``, ``"bf16"``, ``"fp16"``, or ``"auto"``: half precision on a CUDA GPU, float32
        elsewhere, so that runs on different processors agree up to rounding.

    Returns
    -------
    Choice of torch.dtype
        ``torch.float32``, ``torch.bfloat16`` or ``torch.float16``, and the reason.

    Raises
    ------
    ValueError
        If the name is unknown, or float16 is requested off a GPU.

    Notes
    -----
    bfloat16 keeps the exponent of float32 and needs no loss scaling; float16 does (Micikevicius
    et al. 2018, https://arxiv.org/abs/1710.03740).
    """
    device = choose_device().value if device is None else device
    if requested != "auto":
        if requested not in PRECISIONS:
            raise ValueError(
                f"precision={requested!r} is unknown: use 'auto', 'fp32', 'bf16' or 'fp16'"
            )
        if requested == "fp16" and device.type == "cpu":
            raise ValueError("precision='fp16' needs a GPU: use 'auto' or 'fp32' on the processor")
        return Choice(PRECISIONS[requested], f"requested: {requested}")
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        if (major, minor) >= (8, 0):
            return Choice(torch.bfloat16, f"auto-detected: CUDA SM {major}{minor} (bf16 supported)")
        return Choice(
            torch.float16, f"auto-detected: CUDA SM {major}{minor} (no bf16: fp16, loss scaled)"
        )
    if device.type == "cpu":
        return Choice(
            torch.float32, f"as on every processor, so that numbers agree; {_about_bf16()}"
        )
    return Choice(torch.float32, f"float32 is the safe choice on {device.type}")


def _about_bf16() -> str:
    flags = processor_flags()
    for flag, name in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16")):
        if flag in flags:
            return f"with {name}, precision='bf16' may be faster here"
    # Emulated bf16 products are hundreds of times slower than fp32 on such processors.
    return "without AMX or AVX512-BF16, bf16 would be slow"


def processor_flags() -> frozenset[str]:
    """Return the processor's capability flags, as Linux lists them; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    line = next((line for line in text.splitlines() if line.startswith(("flags", "Features"))), "")
    return frozenset(line.partition(":")[2].split())


def processor_name() -> str:
    """Return the processor's model name, for the record beside a timing."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def memory(device: torch.device | None = None) -> Choice[int]:
    """Return the peak memory use so far, in bytes.

    Parameters
    ----------
    device : torch.device, optional
        A CUDA device gives the peak of its tensors; anything else the peak of the process.

    Returns
    -------
    Choice of int
        Bytes, and what was measured.
    """
    if device is not None and device.type == "cuda":
        return Choice(torch.cuda.max_memory_allocated(device), f"peak of the tensors on {device}")
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return Choice(int(line.split()[1]) * 1024, "peak resident memory of this process")
    except OSError:
        pass
    reason = "peak resident memory of this process since its start"
    if importlib.util.find_spec("resource") is None:  # Windows
        import psutil

        return Choice(psutil.Process().memory_info().peak_wset, reason)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, the others KiB
    return Choice(peak * unit, reason)
