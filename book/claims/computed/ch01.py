"""What settles the computed entries of chapter 1."""

from __future__ import annotations


def years(first: int, last: int) -> int:
    """Count the years between two dates."""
    return last - first


def million_sentences(billion_words: float, words_a_sentence: int) -> float:
    """Turn a corpus size in words into sentences of a given length, in millions."""
    return round(1000 * billion_words / words_a_sentence, 6)
