"""Run the full profile of every chapter against a miniature hub, without a network.

The hub is made on the spot by ``tests.miniature.build``: checkpoints of the right architecture with
a few thousand parameters, data sets of a few rows. ``nbval`` in its lax mode then runs each line
that a Colab reader runs, and fails where a cell raises. Figures are not tested this way.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.project import Project, UserError


def build_hub(folder: Path) -> dict[str, str]:
    """Make the hub; return the variables that point to it."""
    from tests.miniature.build import build

    return dict(build(folder))


def main(arguments: Sequence[str] | None = None, project: Project | None = None) -> int:
    """Run the chapters that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tools.miniature", description=__doc__)
    parser.add_argument("chapters", nargs="*", help="number, slug or file; all by default")
    options = parser.parse_args(arguments)
    project = project or Project()
    try:
        slugs = project.select(options.chapters)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    folder = project.build / "miniature"
    shutil.rmtree(folder / "notebooks", ignore_errors=True)
    # nbval runs a notebook where it lies: a copy keeps what chapters write out of notebooks/.
    copies = []
    for slug in slugs:
        copy = folder / "notebooks" / f"{slug}.ipynb"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project.notebook(slug), copy)
        copies.append(str(copy))
    environment = (
        os.environ
        | build_hub(folder / "hub")
        | {"PYTHONHASHSEED": "0", "TOKENIZERS_PARALLELISM": "false"}
    )
    environment.pop("TL_STATIC", None)  # Here the widgets are the live ones.
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval-lax",
        "--nbval-cell-timeout=300",
        "-p",
        "no:cacheprovider",
        *copies,
    ]
    return subprocess.run(command, cwd=project.root, env=environment, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
