"""What settles the computed entries of chapter 17."""

from collections.abc import Sequence


def vocabulary(hub_id: str) -> int:
    """Number of pieces in a model's vocabulary, as the published configuration has it."""
    from tlhelpers.pretrained.published import configuration

    return int(configuration(hub_id).vocab_size)


def context(hub_id: str) -> int:
    """Longest input in tokens, as the published configuration has it."""
    from tlhelpers.pretrained.published import configuration

    return int(configuration(hub_id).max_position_embeddings)


def gains(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """Points gained, task by task."""
    return [round(b - a, 1) for a, b in zip(before, after, strict=True)]


def gains_within(
    before: Sequence[float], after: Sequence[float], low: float, high: float
) -> dict[str, int]:
    """Count the tasks whose gain lies below, within and above a range of points."""
    points = gains(before, after)
    below, above = (sum(p < low for p in points), sum(p > high for p in points))
    return {"below": below, "within": len(points) - below - above, "above": above}


def pretraining_hours(
    megabytes: float, epochs: int, peak_teraflops: float, utilisation: float = 0.3
) -> float:
    """Hours that RoBERTa-base needs to read a corpus on one accelerator.

    6 operations a parameter and token (Kaplan et al. 2020, section 2.1) and 124.6 million
    parameters; 6.2 bytes of text a token, from 47 GB and 7.55 billion tokens (Gururangan
    et al. 2020, Table 1).
    """
    tokens = megabytes * 1e6 / 6.2 * epochs
    return round(tokens * 6 * 124_645_632 / (peak_teraflops * 1e12 * utilisation) / 3600, 1)
