"""A page as a new reader runs it: its code, the cache that it finds, and what a count holds for."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path

import nbformat

from tlhelpers.cache import cache_folder
from tools.project import Project


def path(project: Project) -> Path:
    """Where the counts are kept."""
    return project.root / "book" / "budget.json"


def code_cells(project: Project, slug: str) -> list[str]:
    """Give the code that a page runs; a listing that it only shows is not part of it."""
    return [
        cell.source
        for cell in nbformat.read(project.notebook(slug), as_version=4).cells
        if cell.cell_type == "code" and "skip-execution" not in cell.metadata.get("tags", [])
    ]


def run_cells(project: Project, slug: str) -> Iterator[str]:
    """Run a page's code cells one after the other; give the code of each when it has run."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    for code in code_cells(project, slug):
        with redirect_stdout(io.StringIO()):
            outcome = shell.run_cell(code)
        outcome.raise_error()
        yield code


def environment_of_a_new_reader(hub: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Give the variables of a process that runs a page of the full profile against a hub.

    Its cache, in the folder, has what was fetched, and nothing that an earlier run has computed.
    """
    cache = folder / "cache"
    cache.mkdir()
    for name in ("assets", "models", "corpora", "downloads", "locks"):
        (cache_folder() / name).mkdir(parents=True, exist_ok=True)
        (cache / name).symlink_to(cache_folder() / name)
    environment = os.environ | hub | {"TL_CACHE": str(cache)}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(Project.root), str(Project.root / "src"), environment.get("PYTHONPATH", "")]
    )
    environment.pop("TL_STATIC", None)
    return environment


def digest(project: Project, slug: str) -> str:
    """Tell the code of a page from any other."""
    return hashlib.sha256(json.dumps(code_cells(project, slug)).encode()).hexdigest()[:16]
