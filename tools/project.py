"""Where things are: the one place that knows the folders of the book."""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import dataclass
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
        """The chapter's exercises as Colab opens them; `tools.exercises.exercises` writes it."""
        return self.root / "notebooks" / "exercises" / f"{slug}.ipynb"

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

    def select(self, names: list[str]) -> list[str]:
        """Find chapters by number (``8``, ``08``), slug or file name; all of them by default.

        Raises
        ------
        UserError
            If a name fits no chapter, or more than one.
        """
        slugs = self.slugs()
        chosen = []
        for name in names:
            wanted = Path(name).stem
            wanted = wanted.zfill(2) if wanted.isdigit() else wanted
            fitting = [slug for slug in slugs if slug == wanted or slug.startswith(f"{wanted}-")]
            if len(fitting) != 1:
                raise UserError(f"No chapter is called {name!r}. There are: {', '.join(slugs)}")
            chosen += fitting
        return sorted(set(chosen)) if names else slugs


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
