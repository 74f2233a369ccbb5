"""Silver tags: parts of speech, arcs and entities that a spaCy pipeline guessed, not people.

Text that has no gold tags gets these. They are wrong at times, and `published_accuracy` says how
often they were wrong on the text that their authors tested them on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tlhelpers.assets.fetching import fetch

if TYPE_CHECKING:
    from spacy.language import Language

LONGEST = 1_000  # characters of a text that are read


@dataclass(frozen=True)
class TaggedSentence:
    """A sentence in words, with one silver tag of each kind for each word.

    Attributes
    ----------
    words : list of str
    part_of_speech : list of str
        Universal tags: ``NOUN``, ``VERB``, ...
    arc : list of str
        The word's relation to its head: ``nsubj``, ``dobj``, ...; ``ROOT`` for the main verb.
    depth : list of int
        Arcs between the word and the root.
    entity : list of str or None
        ``PERSON``, ``GPE``, ...; None outside of entities.
    """

    words: list[str]
    part_of_speech: list[str]
    arc: list[str]
    depth: list[int]
    entity: list[str | None]


def tag(texts: Sequence[str]) -> list[TaggedSentence]:
    """Tag the first sentence of each text with en_core_web_sm.

    Parameters
    ----------
    texts : sequence of str
        English texts; only the first paragraph of each, up to 1,000 characters, is read.

    Returns
    -------
    list of TaggedSentence
        One for each text, in their order.

    Raises
    ------
    ValueError
        If a text has no word in its first paragraph.
    """
    openings = [text.strip().split("\n")[0][:LONGEST] for text in texts]
    found = []
    for row, document in enumerate(_tagger().pipe(openings, batch_size=64)):
        sentence = next(iter(document.sents), None)
        tokens = [] if sentence is None else [token for token in sentence if not token.is_space]
        if not tokens:
            raise ValueError(f"text {row} has no word to tag: {texts[row]!r:.80}")
        depths: dict[int, int] = {}
        for token in tokens:
            path, here = [], token
            while here.head.i != here.i and here.i not in depths:
                path.append(here.i)
                here = here.head
            above = depths.setdefault(here.i, 0)
            depths |= {place: above + 1 + up for up, place in enumerate(reversed(path))}
        found.append(
            TaggedSentence(
                words=[token.text for token in tokens],
                part_of_speech=[token.pos_ for token in tokens],
                arc=[token.dep_ for token in tokens],
                depth=[depths[token.i] for token in tokens],
                entity=[token.ent_type_ or None for token in tokens],
            )
        )
    return found


def published_accuracy() -> dict[str, float]:
    """Read how good the tagger is said to be, from its own file, on its authors' test text.

    Returns
    -------
    dict
        Shares from 0 to 1: ``part of speech`` (accuracy of the fine-grained tags), ``arc and
        head`` (labelled attachment score), ``entities`` (F1).
    """
    meta = json.loads((fetch("silver-tags") / "meta.json").read_text(encoding="utf-8"))
    scores = meta["performance"]
    return {
        "part of speech": float(scores["tag_acc"]),
        "arc and head": float(scores["dep_las"]),
        "entities": float(scores["ents_f"]),
    }


@lru_cache(maxsize=1)
def _tagger() -> Language:
    import spacy

    return spacy.load(fetch("silver-tags"), exclude=["lemmatizer", "senter"])
