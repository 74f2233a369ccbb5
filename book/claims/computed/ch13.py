"""What settles the computed entries of chapter 13."""

from pathlib import Path
from typing import Any


def percent_in_section_10() -> list[float]:
    """Give the accuracies that section 10 prints for its three epochs, in percent.

    They are what entry 10-accuracies-fit-500-rows is compared with.
    """
    from tlhelpers.evidence.ledger import load_ledger

    source = load_ledger(Path(__file__).parents[1], chapter=10)["10-accuracies-fit-500-rows"].source
    printed: Any = source and source.value
    return [round(100 * accuracy, 10) for accuracy in printed]


def decay_pulls_to(start: float, pretrained: float, steps: int = 2000) -> str:
    """Find out whether weight decay alone moves a weight to its pretrained value or to zero.

    AdamW subtracts rate x decay x weight in each step (Loshchilov and Hutter 2019, algorithm 2);
    with a gradient of zero nothing else happens.
    """
    import torch

    weight = torch.nn.Parameter(torch.tensor([start]))
    optimizer = torch.optim.AdamW([weight], lr=0.1, weight_decay=0.01)
    weight.grad = torch.zeros(1)
    for _ in range(steps):
        optimizer.step()
    value = float(weight.detach())
    return "zero" if abs(value) < abs(value - pretrained) else "the pretrained value"


def shrinkage(rows: int, batch: int, epochs: int, rate: float, decay: float) -> float:
    """Percentage by which decay alone shrinks a weight in one run at a constant rate."""
    import math

    steps = math.ceil(rows / batch) * epochs
    return 100 * (1 - (1 - rate * decay) ** steps)


def lowest_layer_rate(top: float, factor: float, layers: int) -> float:
    """Learning rate of the lowest layer when each layer has a factor times the one above."""
    return top * factor ** (layers - 1)
