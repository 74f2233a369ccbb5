"""What settles the computed entries of chapter 4."""

from __future__ import annotations

OBJECTIVES = ("masked words", "next word", "span corruption")


def objectives_described() -> int:
    """Count the objectives that the section describes under its heading."""
    return len(OBJECTIVES)


def shares_of_chosen_tokens(chosen: float) -> dict[str, float]:
    """Return the shares of all tokens that BERT masks, replaces and leaves (80, 10, 10 %)."""
    return {
        "mask": round(chosen * 0.8, 6),
        "random": round(chosen * 0.1, 6),
        "unchanged": round(chosen * 0.1, 6),
    }


def tokens_without_a_task(chosen: float) -> float:
    """Return the share of tokens of which a masked language model predicts nothing, in percent."""
    return round(100 * (1 - chosen), 6)
