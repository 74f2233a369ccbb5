"""Records what a chapter's kernel, or a sweep's point, reads from this project.

`tools.execution.run_chapter` starts the kernel with a line that calls `watch`, so that the notebook
itself holds no cell for it. The record is written anew after every cell.

What is not seen: a file read by a child process, or by compiled code that opens it itself.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import resource
import sys
import threading
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


def arithmetic() -> dict[str, Any]:
    """Say how this process computes: device, precision by default, threads, instruction set.

    Empty in a process that has not imported PyTorch.
    """
    if "torch" not in sys.modules:
        return {}
    import torch

    from tlhelpers.device import PRECISIONS, choose_device, choose_precision

    device = choose_device().value
    precision = choose_precision(device).value
    return {
        "device": device.type,
        "precision": next(name for name, kind in PRECISIONS.items() if kind == precision),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


class Watcher:
    """Notes each file of the project that is opened or imported, each folder that is listed.

    A file is digested when it is first opened, which is the text that this process has in memory:
    it may be edited while a cell runs.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, str | None] = {}
        self.prefix = f"{root}{os.sep}"
        self.own = threading.local()

    def install(self) -> None:
        """Begin to watch; Python has no way to end it."""
        sys.addaudithook(self.audit)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Hear of everything that Python opens; keep the paths under the project."""
        if event not in ("open", "os.listdir", "os.scandir") or not arguments:
            return
        path = arguments[0]
        if getattr(self.own, "reading", False) or not isinstance(path, str | os.PathLike):
            return
        # abspath, not resolve: resolving would raise further events from within this one.
        absolute = os.path.abspath(os.fspath(path))
        if not isinstance(absolute, str) or not absolute.startswith(self.prefix):
            return
        if event == "open":
            wanted = not (isinstance(arguments[1], str) and set("wax+") & set(arguments[1]))
        else:
            # An import lists the folders it searches; a module added there says nothing.
            source = os.path.join(self.root, "src")
            wanted = not absolute.startswith(source) or self.has_tables(absolute)
        if wanted:
            self.note(absolute)

    def has_tables(self, folder: str) -> bool:
        """Tell whether a listed folder is one of a file an entry, such as the languages."""
        self.own.reading = True
        try:
            return any(name.endswith(".yaml") for name in os.listdir(folder))
        except OSError:
            return False
        finally:
            self.own.reading = False

    def note(self, absolute: str) -> None:
        """Digest a path that is read for the first time; for compiled code, its source."""
        if os.path.basename(os.path.dirname(absolute)) == "__pycache__":
            try:
                absolute = importlib.util.source_from_cache(absolute)
            except ValueError:
                return
        relative = Path(absolute).relative_to(self.root).as_posix()
        if relative in self.files or relative.split("/")[0] in UNWATCHED:
            return
        self.own.reading = True
        try:
            self.files[relative] = digest(Path(absolute))
        finally:
            self.own.reading = False

    def note_modules(self) -> None:
        """Note what was imported before the watch began."""
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and file.startswith(self.prefix):
                self.note(file)


def write(watcher: Watcher, report: Path) -> None:
    """Write the record of everything seen so far."""
    watcher.note_modules()
    record = {
        "files": dict(sorted(watcher.files.items())),
        "packages": sorted({name.partition(".")[0] for name in list(sys.modules)}),
        "peak_bytes": peak_bytes(),
        "arithmetic": arithmetic(),
    }
    temporary = report.with_suffix(".part")
    temporary.write_text(json.dumps(record), "utf-8")
    os.replace(temporary, report)


def watch(root: str, report: str) -> None:
    """Begin to record, and make the warnings that announce a break into errors."""
    from IPython import get_ipython

    watcher = Watcher(Path(root))
    watcher.install()
    get_ipython().events.register("post_run_cell", lambda *_: write(watcher, Path(report)))
    # A page that leans on something about to be removed should fail here, not at the reader's.
    # Only what our own code causes: how libraries use each other is not ours to mend.
    warnings.filterwarnings("error", category=FutureWarning)
    for place in ("__main__", r"tlhelpers(\..*)?$"):
        warnings.filterwarnings("error", category=DeprecationWarning, module=place)
