"""Where things are: the one place that knows the folders of the book."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

CHAPTER_NAME = re.compile(r"\d\d-[a-z0-9-]+")


class UserError(Exception):
    """Something the person at the keyboard can mend; shown without a traceback."""


@dataclass(frozen=True)
class Project:
    """The folders of one checkout; chapters are named by their slug (``10-full-fine-tuning``)."""

    root: Path = Path(__file__).resolve().parent.parent

    @property
    def build(self) -> Path:
        return self.root / "_build"

    @property
    def stage(self) -> Path:
        return self.build / "stage"

    @property
    def html(self) -> Path:
        return self.build / "html"

    def source(self, slug: str) -> Path:
        """The chapter as it is written: a MyST-Markdown notebook."""
        return self.root / "book" / "chapters" / f"{slug}.md"

    def notebook(self, slug: str) -> Path:
        """The same chapter as Colab opens it: no outputs."""
        return self.root / "notebooks" / f"{slug}.ipynb"

    def student_notebook(self, slug: str) -> Path:
        """The chapter's exercises as Colab opens them; `tools.exercises.assign` writes it."""
        return self.root / "notebooks" / "exercises" / f"{slug}.ipynb"

    def master(self, slug: str) -> Path:
        """The chapter's exercises as they are written, with solutions and tests."""
        return self.root / "book" / "exercises" / f"{slug}.md"

    def listing(self, name: str) -> Path:
        """A plain listing that a page shows, as ``10-loop``; it runs as a job of its own."""
        return self.root / "book" / "listings" / f"{name}.py"

    def executed(self, slug: str, profile: str) -> Path:
        """The chapter with the outputs of its last good run."""
        return self.build / "executed" / profile / f"{slug}.ipynb"

    def run_record(self, slug: str, profile: str) -> Path:
        """What that run read and cost; decides whether the chapter must run again."""
        return self.executed(slug, profile).with_suffix(".json")

    def failed(self, slug: str, profile: str) -> Path:
        """The chapter as far as it got in a run that failed."""
        return self.build / "failed" / profile / f"{slug}.ipynb"

    def slugs(self) -> list[str]:
        """List every chapter that exists as Markdown, as a notebook, or both."""
        files = [*self.source("x").parent.glob("*.md"), *self.notebook("x").parent.glob("*.ipynb")]
        return sorted({file.stem for file in files if CHAPTER_NAME.fullmatch(file.stem)})

    def masters(self) -> list[str]:
        """List every chapter that has exercises."""
        return sorted(path.stem for path in self.master("x").parent.glob("*.md"))

    def select(self, names: Sequence[str]) -> list[str]:
        """Find chapters by number (``8``, ``08``), slug or file name; all of them by default.

        Raises
        ------
        UserError
            If a name fits no chapter, or more than one.
        """
        return choose(names, self.slugs(), "chapter is")


def choose(names: Sequence[str], slugs: Sequence[str], what: str) -> list[str]:
    """Find slugs by number (``8``, ``08``), slug or file name; all of them if no name is given.

    Raises
    ------
    UserError
        If a name fits no slug, or more than one.
    """
    chosen = set()
    for name in names:
        wanted = Path(name).stem
        wanted = wanted.zfill(2) if wanted.isdigit() else wanted
        fitting = [slug for slug in slugs if slug == wanted or slug.startswith(f"{wanted}-")]
        if len(fitting) != 1:
            raise UserError(f"No {what} called {name!r}. There are: {', '.join(slugs)}")
        chosen |= set(fitting)
    return sorted(chosen) if names else list(slugs)


# Ways through the book, and whom each is for.
PATHS = {
    "first steps": "if the field is new to you",
    "practice": "if you have a task and some texts",
    "teaching": "if you give a course, with exercises that grade themselves",
}


@dataclass(frozen=True)
class Chapter:
    """One line of ``book/chapters.yaml``, whether its page is written yet or not.

    Attributes
    ----------
    slug : ``10-full-fine-tuning``; its files have this name.
    title : the heading of its page.
    part : the part of the book that it stands in.
    about : half a sentence for the list on the first page.
    sweep_minutes : how long each of its sweeps may take on two cores.
    paths : which of the `PATHS` through the book lead here.
    """

    slug: str
    title: str
    part: str
    about: str = ""
    sweep_minutes: int = 30
    paths: list[str] = field(default_factory=list)

    @property
    def number(self) -> int:
        """Number of the chapter."""
        return int(self.slug[:2])


def chapters(project: Project | None = None) -> list[Chapter]:
    """Read ``book/chapters.yaml``, the one list of the chapters.

    Raises
    ------
    UserError
        If the file is not there, or a line of it is wrong; says which, and what to do.
    """
    import yaml  # Not above: `make lock` has to do with Python alone.

    path = (project or Project()).root / "book" / "chapters.yaml"
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"book/chapters.yaml cannot be read: {error}") from error
    found = list(_read_parts(content))
    for place, chapter in enumerate(found, start=1):
        if chapter.number != place:
            raise UserError(
                f"book/chapters.yaml: {chapter.slug!r} stands at place {place}. "
                "Number the chapters from 01 on, in order and without a gap."
            )
    return found


def _read_parts(content: object) -> Iterator[Chapter]:
    for part in content if isinstance(content, list) else [content]:
        if not isinstance(part, dict) or set(part) != {"part", "chapters"}:
            raise UserError(
                f"book/chapters.yaml: {part!r:.80} is not a part. "
                "Write '- part: its title', and its chapters: as a list."
            )
        for values in part["chapters"]:
            yield _read_chapter(str(part["part"]), values)


def _read_chapter(part: str, values: object) -> Chapter:
    where = f"book/chapters.yaml, {part!r}"
    if not isinstance(values, dict):
        raise UserError(f"{where}: {values!r} is no chapter. Write {{slug: ..., title: ...}}.")
    kinds = {each.name: each.type for each in fields(Chapter) if each.name != "part"}
    where = f"{where}: {values.get('slug', values)!r}"
    if unknown := set(values) - set(kinds):
        raise UserError(f"{where}: {sorted(unknown)} not known. Use {', '.join(kinds)}.")
    if missing := {"slug", "title"} - set(values):
        raise UserError(f"{where}: {sorted(missing)} missing. Every chapter has a slug and title.")
    for name, value in values.items():
        if type(value).__name__ != str(kinds[name]).partition("[")[0]:
            raise UserError(f"{where}: {name} is {value!r}. Write {kinds[name]}, as others have.")
    if unknown := set(values.get("paths", [])) - set(PATHS):
        raise UserError(f"{where}: no paths {sorted(unknown)}. There are: {', '.join(PATHS)}.")
    if not CHAPTER_NAME.fullmatch(values["slug"]):
        raise UserError(f"{where}: no slug. Write two digits and words: 08-lora-maths.")
    if values.get("sweep_minutes", 1) < 1:
        raise UserError(f"{where}: sweep_minutes is {values['sweep_minutes']}. Write 1 or more.")
    return Chapter(part=part, **values)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file in one step, so that a reader or a crash never meets half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; nothing if the file is absent or was damaged."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
