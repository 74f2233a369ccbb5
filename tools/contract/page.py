"""What a rule of the page contract may look at.

The rules are functions that say what is wrong and what to do: `prose`, `cells`, `figures` and
`claims` hold them, `rules` lists them. They look at the chapter as written and, where it has been
run, at its outputs. What they cannot see: whether the prose is true or clear, and whether the
sentence after a result is about that result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tlhelpers.evidence.ledger import Ledger
from tools.contract.chapter_text import Chapter, read_chapter
from tools.project import Project


@dataclass(frozen=True)
class Page:
    """What a rule may look at."""

    chapter: Chapter
    ledger: Ledger
    project: Project


Rule = Callable[[Page], Iterator[str]]


def read_page(project: Project, slug: str, ledger: Ledger, profile: str = "tiny") -> Page:
    """Read a chapter with its outputs, where it has been run."""
    chapter = read_chapter(project.source(slug), project.executed(slug, profile))
    return Page(chapter, ledger, project)
