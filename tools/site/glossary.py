"""Read ``book/glossary.md``: the field's words, each with the chapter that explains it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from tools.project import CHAPTER_NAME, Project, UserError

_LINE = re.compile(
    r"- \*\*(?P<word>[^*]+)\*\*: (?P<meaning>[^\[]+\.) "
    rf"\[[^\]]+\]\(\.\./notebooks/(?P<chapter>{CHAPTER_NAME.pattern})\.ipynb\)"
)


@dataclass(frozen=True)
class Term:
    """One word of the field.

    Attributes
    ----------
    word : as a reader would search for it.
    meaning : one line.
    chapter : slug of the chapter that explains it.
    """

    word: str
    meaning: str
    chapter: str


def terms(project: Project) -> list[Term]:
    """Read the glossary; nothing where there is none.

    Raises
    ------
    UserError
        If a line is not a term, its meaning and its chapter, or the terms are out of order.
    """
    path = project.root / "book" / "glossary.md"
    if not path.exists():
        return []
    found = []
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("- "):
            match = _LINE.fullmatch(line)
            if match is None:
                raise UserError(
                    f"book/glossary.md: {line[:60]!r} is no term. Write "
                    "'- **word**: what it means. [title](../notebooks/NN-slug.ipynb)'."
                )
            found.append(Term(**match.groupdict()))
    words = [term.word.lower() for term in found]
    if words != sorted(set(words)):
        wrong = next((b for a, b in pairwise(words) if a >= b), "")
        raise UserError(f"book/glossary.md: {wrong!r} is out of order, or there twice. Move it.")
    return found
