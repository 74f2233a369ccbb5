"""Runs inside the kernel of a chapter: record what the chapter reads from this project.

`tools.execution.run_chapter` starts the kernel with a line that calls `watch`, so that the
notebook itself holds no cell for it. The record is written anew after every cell.

What is not seen: a file read by a child process, or by compiled code that opens it itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import resource
import sys
import warnings
from pathlib import Path
from typing import Any

UNWATCHED = ("_build", ".venv", ".git", ".ruff_cache", ".mypy_cache", ".pytest_cache")


def digest(path: Path) -> str | None:
    """Digest a file's bytes, or a folder's list of names; nothing if the path is absent."""
    try:
        names_or_bytes = (
            "\n".join(sorted(os.listdir(path))).encode() if path.is_dir() else path.read_bytes()
        )
    except OSError:
        return None
    return hashlib.sha256(names_or_bytes).hexdigest()[:16]


def peak_bytes() -> int:
    """Give the most bytes that this process, or the largest of its children, has held."""
    unit = 1 if platform.system() == "Darwin" else 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return max(own, children)


class Watcher:
    """Notes each file of the project that is opened or imported, each folder that is listed."""

    def __init__(self, root: Path, report: Path) -> None:
        self.root = root
        self.report = report
        self.pending: set[str] = set()
        self.files: dict[str, str | None] = {}
        self.prefix = f"{root}{os.sep}"

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Hear of everything that Python opens; keep the paths under the project."""
        if event in ("open", "os.listdir", "os.scandir") and arguments:
            path = arguments[0]
            if not isinstance(path, str | os.PathLike):
                return
            # abspath, not resolve: resolving would raise further events from within this one.
            absolute = os.path.abspath(os.fspath(path))
            if event == "open":
                wanted = not (isinstance(arguments[1], str) and set("wax+") & set(arguments[1]))
            else:
                # An import lists the folders it searches; a module added there says nothing.
                wanted = not str(absolute).startswith(os.path.join(self.root, "src"))
            if wanted and isinstance(absolute, str) and absolute.startswith(self.prefix):
                self.pending.add(absolute)

    def write(self, *_: object) -> None:
        """Write the record of everything seen so far."""
        opened, self.pending = self.pending, set()
        modules = list(sys.modules.values())
        for module in modules:
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and file.startswith(self.prefix):
                opened.add(file)
        for name in sorted(opened):
            relative = Path(name).relative_to(self.root).as_posix()
            inside = relative.split("/")
            if inside[0] in UNWATCHED or "__pycache__" in inside:
                continue
            # The first digest stays: it is the text that the kernel has in memory.
            self.files.setdefault(relative, digest(Path(name)))
        record = {
            "files": dict(sorted(self.files.items())),
            "packages": sorted({name.partition(".")[0] for name in list(sys.modules)}),
            "peak_bytes": peak_bytes(),
        }
        temporary = self.report.with_suffix(".part")
        temporary.write_text(json.dumps(record), "utf-8")
        os.replace(temporary, self.report)


def watch(root: str, report: str) -> None:
    """Begin to record, and make the warnings that announce a break into errors."""
    from IPython import get_ipython

    watcher = Watcher(Path(root), Path(report))
    sys.addaudithook(watcher.audit)
    get_ipython().events.register("post_run_cell", watcher.write)
    # A page that leans on something about to be removed should fail here, not at the reader's.
    # Only what our own code causes: how libraries use each other is not ours to mend.
    warnings.filterwarnings("error", category=FutureWarning)
    for place in ("__main__", r"tlhelpers(\..*)?$"):
        warnings.filterwarnings("error", category=DeprecationWarning, module=place)
