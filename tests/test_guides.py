"""README and contributor's guide name only what is there."""

import re
from functools import reduce
from pathlib import Path

import pytest

import tlhelpers as tl

ROOT = Path(__file__).parents[1]
GUIDES = ["README.md", "CONTRIBUTING.md"]


def named(pattern: str) -> list[tuple[str, str]]:
    """List what the guides name: guide, name."""
    return [
        (guide, name)
        for guide in GUIDES
        for name in sorted(set(re.findall(pattern, (ROOT / guide).read_text("utf-8"))))
    ]


@pytest.mark.parametrize(("guide", "name"), named(r"`tl\.([\w.]+)"))
def test_each_helper_that_a_guide_names_exists(guide, name):
    assert reduce(getattr, name.split("."), tl)


@pytest.mark.parametrize(("guide", "target"), named(r"(?m)(?:`|^)make ([a-z-]+)"))
def test_each_command_that_a_guide_names_exists(guide, target):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{guide}: make {target}"


@pytest.mark.parametrize(("guide", "module"), named(r"python -m ((?:tools|tests)(?:\.\w+)+)"))
def test_each_module_that_a_guide_runs_exists(guide, module):
    path = ROOT / module.replace(".", "/")
    assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()
