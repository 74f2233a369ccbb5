"""Write requirements.txt: the versions that a fresh installation of the project takes today.

Needs only Python itself. Platform builds are left out (``torch==2.13.0``, not ``2.13.0+cpu``), as
are the libraries of one vendor's GPU: they come along with torch where they belong.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tools.project import Project, write_atomically

# Raised by hand, after a run of all tests: its builds differ from platform to platform.
HELD = ("torch==2.13.0",)
EXTRAS = ("book", "tests", "instructors", "bench", "chapters")
PLATFORM_PACKAGES = re.compile(r"(nvidia-|cuda-|triton\b|pytorch-triton|tlhelpers\b|pip\b)")
HEADER = "# The tested versions. Written by `make lock` from pyproject.toml: do not edit.\n"


def portable(frozen: str) -> str:
    """Keep the pins that hold on any machine, sorted.

    Raises
    ------
    ValueError
        If a package came from a file or a repository, which nobody else could install.
    """
    pins = []
    for line in frozen.splitlines():
        line = line.strip()
        if not line or line.startswith("#") or PLATFORM_PACKAGES.match(line):
            continue
        if "==" not in line:
            raise ValueError(f"{line!r} is not a version in a package registry")
        pins.append(re.sub(r"\+[\w.]+$", "", line))
    return "\n".join(sorted(pins, key=str.lower)) + "\n"


def main(project: Project | None = None) -> int:
    """Install the project in a fresh environment and write down what that took."""
    project = project or Project()
    with tempfile.TemporaryDirectory(prefix="tl-lock-") as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        wanted = f"{project.root}[{','.join(EXTRAS)}]"
        print("Installing everything anew in a temporary environment; this takes some minutes.")
        subprocess.run([python, "-m", "pip", "install", "--quiet", wanted, *HELD], check=True)
        freeze = [python, "-m", "pip", "freeze", "--exclude", "tlhelpers"]
        frozen = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout
    pins = portable(frozen)
    write_atomically(project.root / "requirements.txt", HEADER + pins)
    print(f"requirements.txt: {len(pins.splitlines())} packages. Now run `make test`.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
