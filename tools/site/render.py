"""Render the staged pages to HTML.

A warning is an error, as it is a broken link or a lost figure on some page; Jupyter Book 1 returns
0 after warnings unless ``-W`` is given. It runs no cell here: the notebooks come executed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from tools.project import Project, read_json, write_atomically

RENDERERS = (
    "docutils",
    "jupyter-book",
    "myst-nb",
    "myst-parser",
    "pydata-sphinx-theme",
    "sphinx",
    "sphinx-book-theme",
    "sphinx-mathjax-offline",
)
MATTERS = re.compile(r"WARNING|ERROR|CRITICAL|Error:")


def inputs_digest(project: Project) -> str:
    """Digest all that the HTML depends on."""
    content = hashlib.sha256(platform.python_version().encode())
    for name in RENDERERS:
        content.update(f"{name} {metadata.version(name)}\n".encode())
    content.update(Path(__file__).read_bytes())
    for path in sorted(path for path in project.stage.rglob("*") if path.is_file()):
        content.update(f"{path.relative_to(project.stage)}\n".encode())
        content.update(path.read_bytes())
    return content.hexdigest()[:16]


def site_digest(project: Project) -> str:
    """Digest what every page depends on: the settings, the table of contents, the style sheets."""
    content = hashlib.sha256()
    files = [project.stage / "_config.yml", project.stage / "_toc.yml"]
    files += sorted(
        path for path in (project.stage / "book" / "_static").rglob("*") if path.is_file()
    )
    for path in files:
        content.update(path.read_bytes())
    return content.hexdigest()[:16]


def render(project: Project, *, force: bool = False) -> int:
    """Render what is staged, unless the HTML already shows it; return the exit status."""
    stamp = project.build / "render.json"
    known = read_json(stamp) or {}
    inputs, site = inputs_digest(project), site_digest(project)
    if not force and known.get("inputs") == inputs and (project.html / "index.html").exists():
        print("  unchanged  the rendered book")
        return 0
    # A page that has been read is not read again, nor are its warnings repeated. Hence after a
    # failure, or a change that concerns all pages, nothing old is left to build on.
    if force or known.get("site") != site:
        _forget(project)
    stamp.unlink(missing_ok=True)
    started = time.perf_counter()
    command = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        "build",
        str(project.stage),
        "--path-output",
        str(project.root),
        "-W",
        "--keep-going",
    ]
    result = subprocess.run(
        command,
        cwd=project.root,
        env=os.environ | {"NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    log = project.build / "render.log"
    write_atomically(log, result.stdout)
    if result.returncode != 0 or not (project.html / "index.html").exists():
        said = [line for line in result.stdout.splitlines() if MATTERS.search(line)]
        print(*(said or result.stdout.splitlines()[-30:]), sep="\n")
        print(f"The book did not render without warnings; {log} has the rest.", file=sys.stderr)
        _forget(project)
        return 1
    drop_second_icons(project.html)
    write_atomically(stamp, json.dumps({"inputs": inputs, "site": site}) + "\n")
    pages = sum(1 for _ in project.html.rglob("*.html"))
    print(f"  rendered {pages} pages in {time.perf_counter() - started:.0f} s")
    return 0


def drop_second_icons(html: Path) -> None:
    """Empty the theme's icon script: half a megabyte for what its style sheet draws as well."""
    script = html / "_static" / "scripts" / "fontawesome.js"
    if script.exists():
        script.write_text("// The style sheet draws these icons from its fonts.\n", "utf-8")


def _forget(project: Project) -> None:
    for folder in (project.html, project.build / ".doctrees"):
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: Sequence[str] | None = None, project: Project | None = None) -> int:
    """Render the book and tell where it is."""
    parser = argparse.ArgumentParser(prog="python -m tools.site.render", description=__doc__)
    parser.add_argument("--force", action="store_true", help="render everything anew")
    parser.add_argument("--chapter", help="tell where this chapter's page is")
    options = parser.parse_args(arguments)
    project = project or Project()
    status = render(project, force=options.force)
    if status == 0:
        page = project.html / "index.html"
        if options.chapter:
            page = project.html / "notebooks" / f"{project.select([options.chapter])[0]}.html"
        print(f"Open {page}\n  or run `make serve` and open http://127.0.0.1:8000")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
