"""Lay out what the renderer reads under ``_build/stage``: executed notebooks, the book's own pages.

A file that did not change keeps its date, so that the renderer reads again only what is new.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
import yaml

from tools.project import Project, UserError, write_atomically
from tools.site.ledger_pages import link_cards, write_pages

PAGE_FOLDERS = ("_static", "images")
_GRADER = re.compile(r"# @title Run this first|grader\.check\(|---\s+To hand in:")


def toc_files(project: Project) -> list[str]:
    """List every page that the table of contents names, without ending."""

    def walk(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            for key in ("root", "file"):
                if key in node:
                    yield str(node[key])
            node = list(node.values())
        if isinstance(node, list):
            for value in node:
                yield from walk(value)

    return list(walk(yaml.safe_load((project.root / "_toc.yml").read_text("utf-8"))))


def toc_chapters(project: Project) -> list[str]:
    """List the chapters that the table of contents names."""
    return [Path(file).stem for file in toc_files(project) if Path(file).parent.name == "notebooks"]


def stage(project: Project, profile: str, *, unexecuted: bool = False) -> Path:
    """Lay out the book's pages.

    Parameters
    ----------
    profile
        Whose executed notebooks to take.
    unexecuted
        Take a chapter without outputs where it has not been run, rather than stop.

    Raises
    ------
    UserError
        If the table of contents names a page that is not there.
    """
    with tempfile.TemporaryDirectory(dir=_ready(project.build), prefix="stage-") as folder:
        fresh = Path(folder)
        for name in ("_config.yml", "_toc.yml"):
            shutil.copy2(project.root / name, fresh / name)
        (fresh / "notebooks").mkdir()
        missing = []
        for slug in toc_chapters(project):
            executed = project.executed(slug, profile)
            if executed.exists():
                linked = link_cards(executed.read_text("utf-8"))
                write_atomically(fresh / "notebooks" / executed.name, linked)
            elif unexecuted and project.notebook(slug).exists():
                shutil.copy2(project.notebook(slug), fresh / "notebooks" / executed.name)
                print(f"  without outputs: {slug}")
            else:
                missing.append(slug)
        if missing:
            raise UserError(
                f"Not executed in profile {profile}: {', '.join(missing)}. "
                f"Run `make book` or `python -m tools.execution.execute`."
            )
        for slug in toc_chapters(project):  # exercises wait for their chapter
            if (exercises := project.student_notebook(slug)).exists():
                target = fresh / exercises.relative_to(project.root)
                write_atomically(target, without_grader(exercises.read_text("utf-8")))
        book = project.root / "book"
        (fresh / "book").mkdir()
        for page in sorted(book.glob("*.md")):
            shutil.copy2(page, fresh / "book" / page.name)
        for name in PAGE_FOLDERS:
            if (book / name).is_dir():
                shutil.copytree(book / name, fresh / "book" / name)
        write_pages(fresh)
        absent = [
            file
            for file in toc_files(project)
            if not any((fresh / file).with_suffix(ending).exists() for ending in (".md", ".ipynb"))
        ]
        if absent:
            raise UserError(f"_toc.yml names pages that do not exist: {', '.join(absent)}")
        mirror(fresh, project.stage)
    return project.stage


def without_grader(notebook: str) -> str:
    """Take the cells that set up and call the grader off a student's notebook.

    They do nothing on a page. Nor is the page searched: who looks for a term wants the chapter that
    explains it, and the exercises are one step below it.
    """
    content = nbformat.reads(notebook, as_version=4)
    content.cells = [cell for cell in content.cells if not _GRADER.match(cell.source)]
    content.metadata["nosearch"] = True
    text: str = nbformat.writes(content)
    return text


def _ready(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def mirror(fresh: Path, target: Path) -> None:
    """Make ``target`` equal to ``fresh``, touching only the files whose bytes differ."""
    wanted = {path.relative_to(fresh) for path in fresh.rglob("*") if path.is_file()}
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_file() and path.relative_to(target) not in wanted:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    for name in sorted(wanted):
        old, new = target / name, fresh / name
        if not old.exists() or old.read_bytes() != new.read_bytes():
            _ready(old.parent)
            shutil.copyfile(new, old)


def main(arguments: Sequence[str] | None = None, project: Project | None = None) -> int:
    """Lay out the book's pages."""
    parser = argparse.ArgumentParser(prog="python -m tools.site.stage", description=__doc__)
    parser.add_argument("--profile", choices=["tiny", "full"], default="tiny")
    parser.add_argument(
        "--unexecuted", action="store_true", help="take chapters that have not been run as they are"
    )
    options = parser.parse_args(arguments)
    project = project or Project()
    try:
        folder = stage(project, options.profile, unexecuted=options.unexecuted)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    count = sum(1 for path in folder.rglob("*") if path.suffix in (".md", ".ipynb"))
    print(f"Staged {count} pages in {folder.relative_to(project.root)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
