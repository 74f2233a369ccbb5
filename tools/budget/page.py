"""The code of a page: what a dry run runs, and what its count holds for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import nbformat

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


def digest(project: Project, slug: str) -> str:
    """Tell the code of a page from any other."""
    return hashlib.sha256(json.dumps(code_cells(project, slug)).encode()).hexdigest()[:16]
