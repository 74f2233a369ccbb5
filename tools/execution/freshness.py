"""Decide whether a chapter must run again.

The key of a run is everything that it read: the chapter's code cells; each file of this project
that the kernel opened or imported (the helpers, recorded sweeps, the ledger, and with them the
pinned digests of the assets); the version of Python and of each package imported; the device, the
precision and the number of threads that it computed with. Text cells are not part of it, nor is the
processor: in one precision, processors agree up to rounding.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import Any

import nbformat
from nbformat import NotebookNode

from tools.execution import watcher
from tools.execution.watcher import digest
from tools.project import Project, read_json

THREADS = 1  # of a page, and of a sweep's point; as many run side by side as there are cores
RECORD_FORMAT = 2  # Raise it when a change to the machinery makes earlier runs worthless.


def code_digest(notebook: NotebookNode) -> str:
    """Digest the code cells with the tags that change how they run."""
    cells = [
        [cell.source, sorted(cell.metadata.get("tags", []))]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:16]


@cache
def installed_version(distribution: str) -> str | None:
    """Give the version that is installed now."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


@cache
def arithmetic_here() -> dict[str, object]:
    """Give the device, precision and threads that a page started now would compute with."""
    import torch  # noqa: F401 -- arithmetic() looks whether it is there

    return watcher.arithmetic() | {"threads": THREADS}


def why_stale(project: Project, slug: str, profile: str) -> str | None:
    """Tell why a chapter must run again; nothing if its last good run still holds."""
    record = read_json(project.run_record(slug, profile))
    if record is None or not project.executed(slug, profile).exists():
        return "never run"
    if record.get("format") != RECORD_FORMAT:
        return "the machinery changed"
    if record["cells"] != code_digest(nbformat.read(project.notebook(slug), as_version=4)):
        return "its code changed"
    return what_changed(project, record)


def what_changed(project: Project, record: Mapping[str, Any]) -> str | None:
    """Tell what of all that a recorded run rests on is not as it was then; nothing if all is."""
    if record["python"] != platform.python_version():
        return f"Python {record['python']} became {platform.python_version()}"
    for name, version in record["versions"].items():
        if installed_version(name) != version:
            return f"{name} {version} became {installed_version(name) or 'absent'}"
    for name in ("device", "precision", "threads") if record["arithmetic"] else ():
        if record["arithmetic"][name] != arithmetic_here()[name]:
            return f"{name} {record['arithmetic'][name]} became {arithmetic_here()[name]}"
    for name, known in record["files"].items():
        if digest(project.root / name) != known:
            return f"{name} changed"
    return None
