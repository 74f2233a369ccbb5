"""The rules of who imports whom, in pyproject.toml: each of them notices what it forbids."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def lint(root: Path) -> str:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--no-logo"]
    paths = {"PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)]), "COLUMNS": "200"}
    done = subprocess.run(
        command, cwd=root, env=os.environ | paths, capture_output=True, text=True, check=False
    )
    assert done.returncode == int("BROKEN" in done.stdout), done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for part in ("src/tlhelpers", "tools"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_rules_are_kept():
    assert " 0 broken" in lint(ROOT)


@pytest.mark.parametrize(
    ("module", "line", "rule"),
    [
        ("metrics.py", "import tools.sweep", "The helpers know nothing of the book's machinery"),
        ("recipes.py", "import tlhelpers.subjects.lora", "A subject is imported by pages"),
        ("../../tools/pair.py", "import tlhelpers.subjects.lora", "A subject is imported by pages"),
        (
            "subjects/lora.py",
            "from tlhelpers.subjects import probing",
            "No subject imports another",
        ),
        ("metrics.py", "import tlhelpers.roles", "A helper imports from the layers below its own"),
        ("new.py", "", "A helper imports from the layers below its own"),
        (
            "evidence/ledger.py",
            "def show():\n    from tlhelpers.evidence import claims",
            "No helpers import each other in a circle",
        ),
        ("visuals/plots.py", "import torch", "What draws recorded results does not wait"),
    ],
)
def test_a_forbidden_import_is_noticed(copy, module, line, rule):
    path = copy / "src/tlhelpers" / module
    path.write_text(f"{path.read_text() if path.exists() else ''}\n{line}\n")
    broken = [found for found in lint(copy).splitlines() if " BROKEN" in found]
    assert any(found.startswith(rule) for found in broken), broken
