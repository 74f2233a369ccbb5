"""Find the numbers in a chapter's prose, and which of them no entry of the ledger stands behind.

A number has to come from the run (a live value that a cell prints), from the ledger, or not at all.
This looks at digits only: a number spelled as a word ("two cores", "a third") passes.

Free of entries: code, maths of one digit and powers of ten, names (GPT-3, word2vec, CoNLL-2003),
years and arXiv numbers in the text of a link to a source, the text of a link to another chapter,
the section References, minutes in the opening lines and in the section Exercises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tlhelpers.evidence.ledger import Claim
from tlhelpers.evidence.settle import Settled
from tools.contract.chapter_text import Block, Chapter

NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*(?:[ ]?[%×‰]|[A-Za-zµ]+)?")
# A word that has a capital and a hyphen before the digits is a name: GPT-3, BERT-12, CoNLL-2003.
_NAME_BEFORE = re.compile(r"[A-Za-z]*[A-Z][A-Za-z0-9]*[-‑–]$")
_YEAR_OR_ARXIV = re.compile(r"(19|20)\d\d[a-z]?|\d{4}\.\d{4,5}(v\d+)?")
_CHAPTER_LINK = re.compile(r"(\.{0,2}/)*\d\d-[a-z0-9-]+\.(ipynb|md)(#.*)?$")
_TIME_AFTER = re.compile(r"\s*(–|-|to|or)?\s*\d*\s*(minutes?|min|seconds?|s)\b")
_SPACES = re.compile("[\u00a0\u2009\u202f\\s]+")


@dataclass(frozen=True)
class Found:
    """A number in prose.

    Attributes
    ----------
    text : as it is written, e.g. ``"93.4 %"``.
    section : the heading above it.
    context : the words around it.
    """

    text: str
    section: str
    context: str


def one_spaced(text: str) -> str:
    """Return the text with single plain spaces, also for no-break and thin ones."""
    return _SPACES.sub(" ", text)


def _flatten(block: Block) -> tuple[str, list[bool]]:
    """Return a block's text and, per character, whether a number there is free of entries."""
    text, free = "", list[bool]()
    for piece in block.pieces:
        words = one_spaced(_plain_maths(piece.text) if piece.role == "maths" else piece.text)
        is_free = [piece.role == "code"] * len(words)
        if piece.role == "maths":
            for match in re.finditer(r"(?<![\d.,])\d(?![\d.,]*\d)", words):
                is_free[match.start()] = True
        if piece.role == "link":
            if _CHAPTER_LINK.match(piece.target):
                is_free = [True] * len(words)
            for match in _YEAR_OR_ARXIV.finditer(words):
                is_free[match.start() : match.end()] = [True] * len(match.group())
        text, free = text + words, free + is_free
    return text, free


def _plain_maths(maths: str) -> str:
    text = re.sub(r"\\[td]?frac\d\d", " ", maths)  # \tfrac12 is one over two, not twelve
    text = re.sub(r"10\s*\^\s*(\{[^}]*\}|\S)", " ", text)
    return text.replace("{,}", ",").replace(r"\,", " ").replace(r"\%", "%")


def numbers_in(block: Block) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and text of each number of a block that needs an entry."""
    text, free = _flatten(block)
    for match in NUMBER.finditer(text):
        if all(free[match.start() : match.start() + 1]):
            continue
        if _NAME_BEFORE.search(text[: match.start()]):
            continue
        if block.kind == "heading" and not text[: match.start()].strip():
            continue  # "3. The third step"
        if _is_time_to_spend(block, text, match.end()):
            continue
        yield match.start(), match.end(), match.group()


def _is_time_to_spend(block: Block, text: str, end: int) -> bool:
    opening = not block.section and "Time" in text
    exercise = block.section.lower().startswith("exercises")
    return (opening or exercise) and bool(_TIME_AFTER.match(text[end:]))


def _phrase_spans(text: str, phrase: str) -> Iterator[tuple[int, int]]:
    # 93.4 must not be found inside 193.4 or 93.41.
    pattern = rf"(?<![\d.,]){re.escape(one_spaced(phrase))}(?![\d]|[.,]\d)"
    for match in re.finditer(pattern, text):
        yield match.span()


def uncovered_numbers(chapter: Chapter, entries: Sequence[Claim]) -> list[Found]:
    """Return the numbers of a chapter's prose that lie in no phrase of these entries."""
    phrases = {phrase for entry in entries for phrase in entry.prose}
    # "93.4%" and "93.4 %" are the same to a reader.
    phrases |= {phrase.replace(" %", "%") for phrase in phrases}
    phrases |= {re.sub(r"(?<=\d)%", " %", phrase) for phrase in phrases}
    found = []
    for block in chapter.blocks:
        if block.section.lower().startswith("references"):
            continue
        text, _ = _flatten(block)
        spans = [span for phrase in phrases for span in _phrase_spans(text, phrase)]
        for start, end, number in numbers_in(block):
            digits_end = start + len(re.match(r"[\d.,]*\d", number)[0])  # type: ignore[index]
            if not any(low <= start and digits_end <= high for low, high in spans):
                context = text[max(0, start - 40) : end + 40].strip()
                found.append(Found(number, block.section, context))
    return found


def unused_phrases(chapter: Chapter, entries: Sequence[Claim]) -> list[tuple[str, str]]:
    """Return (entry, phrase) for phrases that the chapter does not use."""
    texts = [_flatten(block)[0] for block in chapter.blocks]
    return [
        (entry.id, phrase)
        for entry in entries
        for phrase in entry.prose
        if not any(True for text in texts for _ in _phrase_spans(text, phrase))
    ]


# ---------------------------------------------------------------------------------------------
# What stands behind a phrase


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from _leaves(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


_UNIT = re.compile(r"[ -]?(%|percent|[kKMB]B?\b|G[Bb]?\b|thousand|million|billion)")
# What a written number is multiplied by to be compared with a value of the ledger.
_SCALES = {
    "%": 0.01,
    "percent": 0.01,
    "k": 1e3,
    "K": 1e3,
    "kB": 1e3,
    "thousand": 1e3,
    "M": 1e6,
    "MB": 1e6,
    "million": 1e6,
    "B": 1e9,
    "G": 1e9,
    "GB": 1e9,
    "billion": 1e9,
}


def _numbers_of_text(text: str) -> Iterator[tuple[float, float, float]]:
    """Yield value, half a unit of its last decimal, and scale of each number in a text."""
    text = one_spaced(text)
    for match in re.finditer(r"(?<![\w.])(?:\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)", text):
        if _NAME_BEFORE.search(text[: match.start()]):
            continue
        plain = match.group().replace(",", "")
        unit = _UNIT.match(text[match.end() :])
        scale = _SCALES.get(unit.group(1), 1.0) if unit else 1.0
        yield float(plain), 0.5 * 10 ** -len(plain.partition(".")[2]), scale


def unbacked_phrases(entry: Claim, settled: Settled) -> list[str]:
    """Return the phrases of an entry with a number that neither its source nor its value gives.

    A number of a phrase must stand in the source's figure, in what settles the entry, or be the
    value that settled it, rounded to the decimals that are written. A value of 0.934 backs
    "93.4 %", and 109,482,240 backs "109 million" and "109.5M".
    """
    texts = [entry.source.figure] if entry.source else []
    values: list[float] = []
    evidence = entry.settled_by.model_dump() if entry.settled_by else {}
    for leaf in _leaves([evidence, settled.value]):
        if isinstance(leaf, str):
            texts.append(leaf)
        elif isinstance(leaf, int | float | np.number):
            values.append(float(leaf))
    for text in texts:
        values += [
            v for number, _, scale in _numbers_of_text(text) for v in (number, number * scale)
        ]
    return [
        phrase
        for phrase in entry.prose
        if not all(_is_backed(*number, values) for number in _numbers_of_text(phrase))
    ]


def bare_phrases(entry: Claim) -> list[str]:
    """Return the phrases that are a number of one or two digits and nothing else.

    Such a phrase would cover any 12 in the chapter, whatever it counts.
    """
    return [phrase for phrase in entry.prose if re.fullmatch(r"\d\d?|\d\.\d", phrase)]


def _is_backed(number: float, half_unit: float, scale: float, values: Sequence[float]) -> bool:
    # A little more than half a unit: 0.935 and its like have no exact binary form.
    return any(
        abs(abs(value) - number * factor) <= half_unit * factor * (1 + 1e-6)
        for value in values
        for factor in {1.0, scale}
    )
