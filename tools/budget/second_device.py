"""Stand a second device in for a GPU, on a machine that has none.

PyTorch's CPU builds bring a *lazy* device, which records operations and runs them on the processor
later. It gives the same numbers, and like a GPU it refuses to mix its tensors with the CPU's: what
runs on it finds a model that was left behind, and a tensor that was not moved. It shows nothing of
a GPU's speed, memory or half precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

LARGE = 1_000  # weights; what is smaller, such as a matrix made by hand, may well stay on the CPU


def stand_in() -> torch.device:
    """Make every automatic choice of a device fall on the lazy one; for the rest of the process.

    Call it before ``tlhelpers`` is imported.
    """
    import torch._lazy.ts_backend

    torch._lazy.ts_backend.init()  # type: ignore[no-untyped-call]
    lazy = torch.device("lazy", 0)
    # The lazy device can neither count the versions of inference tensors, nor cast by itself.
    torch.inference_mode = torch.no_grad  # type: ignore[misc, assignment]
    autocast: Any = torch.autocast

    def no_autocast(device_type: str, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        lacks_it = device_type == "lazy"
        return nullcontext() if lacks_it else autocast(device_type, *arguments, **named)

    torch.autocast = no_autocast  # type: ignore[misc, assignment]

    # Left alone it records one update after another into one ever longer list of operations.
    register_optimizer_step_post_hook(
        lambda *_: torch._lazy.mark_step()  # type: ignore[no-untyped-call]
    )

    from tlhelpers import device

    choose = device.choose_device

    def choose_lazy(requested: str = "auto") -> device.Choice[torch.device]:
        if requested == "auto":
            return device.Choice(lazy, "a second device that stands in for a GPU")
        return choose(requested)

    device.choose_device = choose_lazy
    return lazy


class LeftOnTheCPUError(AssertionError):
    """A model computed on the CPU although there is another device."""


@contextmanager
def nothing_left_on_the_cpu(large: int = LARGE) -> Iterator[None]:
    """Refuse a forward pass of a module with as many weights on the CPU."""

    def look(module: nn.Module, inputs: object) -> None:
        weights = list(module.parameters())
        if sum(w.numel() for w in weights) >= large and weights[0].device.type == "cpu":
            raise LeftOnTheCPUError(f"{type(module).__name__} computes on the CPU")

    handle = nn.modules.module.register_module_forward_pre_hook(look)
    try:
        yield
    finally:
        handle.remove()
