"""What settles the computed entries of chapter 13."""

from collections.abc import Sequence


def epochs_that_differ(first: Sequence[float], second: Sequence[float]) -> list[int]:
    """Compare two lists of one figure an epoch; return the epochs, from 1, that differ."""
    pairs = zip(first, second, strict=True)
    return [epoch for epoch, (a, b) in enumerate(pairs, start=1) if a != b]


def best_epoch(accuracies: Sequence[float]) -> int:
    """Return the epoch, counted from 1, with the highest accuracy."""
    return max(range(len(accuracies)), key=accuracies.__getitem__) + 1


def drop(accuracies: Sequence[float]) -> float:
    """Points lost between the best and the last epoch."""
    return round(max(accuracies) - accuracies[-1], 10)


def ratio(larger: float, smaller: float) -> float:
    """Divide two learning rates."""
    return round(larger / smaller, 10)


def warmup_steps(rows: int, batch: int, epochs: int, share: float) -> int:
    """Number of warm-up steps in a run, rounded up as transformers does."""
    import math

    return math.ceil(math.ceil(rows / batch) * epochs * share)


def decay_pulls_to(start: float, pretrained: float, steps: int = 2000) -> str:
    """Say where weight decay alone moves a weight: to its pretrained value, or to zero.

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
