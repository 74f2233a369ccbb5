"""What a sweep's file says: its points, its limits, and the digest of what measures them."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from tlhelpers.evidence.recorded import SEED
from tools.project import Project, UserError, chapters

ROOT = Project().root
SWEEPS = ROOT / "book" / "sweeps"
RESULTS = ROOT / "book" / "results"

Point = dict[str, Any]


class SweepError(UserError):
    """A sweep that cannot go on: says which, why, and what to do."""


def limit_minutes(name: str) -> int:
    """Return how long a sweep may take on two cores, as ``book/chapters.yaml`` has it."""
    return chapters()[int(name[:2]) - 1].sweep_minutes


def find_sweeps(wanted: list[str], folder: Path = SWEEPS) -> list[Path]:
    """Return the sweep files of some chapters ("10") or names ("10-full-fine-tuning")."""
    paths = sorted(folder.glob("[0-9][0-9]-*.py"))
    if not wanted:
        return paths
    chosen = []
    for name in wanted:
        chapter = f"{int(name):02d}-" if name.isdecimal() else None
        fits = [
            path for path in paths if path.stem == name or path.name.startswith(chapter or name)
        ]
        if not fits:
            known = ", ".join(path.stem for path in paths) or "none"
            raise SweepError(f"no sweep for {name!r} in {folder}. There are: {known}.")
        chosen += fits
    return list(dict.fromkeys(chosen))


def code_hash(path: Path) -> str:
    """Hash the syntax trees of what ``run`` reaches in its file.

    Comments, layout and where a name is imported from may change, and so may ``points``: more seeds
    or another setting add points and leave those there are as they were.
    """
    defined: dict[str, ast.stmt] = {}
    always = []
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            defined[statement.name] = statement
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            defined[statement.targets[0].id] = statement
        elif not (
            isinstance(statement, ast.Import | ast.ImportFrom)
            or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        ):
            always.append(statement)
    reached: set[str] = set()
    waiting = ["run"]
    while waiting:
        name = waiting.pop()
        if name in reached or name not in defined:
            continue
        reached.add(name)
        inside = ast.walk(defined[name])
        waiting += [node.id for node in inside if isinstance(node, ast.Name)]
    trees = [ast.dump(node) for node in [*always, *(defined[name] for name in sorted(reached))]]
    return hashlib.sha256("\n".join(trees).encode()).hexdigest()


def load_sweep(path: Path) -> ModuleType:
    """Import a sweep's file and check that it has what a sweep needs."""
    spec = importlib.util.spec_from_file_location("sweep_" + path.stem.replace("-", "_"), path)
    if spec is None or spec.loader is None:
        raise SweepError(f"{path} cannot be imported. Name it NN-slug.py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    for name in ("points", "run"):
        if not callable(getattr(module, name, None)):
            raise SweepError(f"{path.name} defines no function {name}(). Write it.")
    return module


def planned_points(module: ModuleType, path: Path) -> list[Point]:
    """Return the points of a sweep; each has a seed and appears once."""
    points: list[Point] = [dict(point) for point in module.points()]
    keys = [point_key(point) for point in points]
    for point in points:
        if not isinstance(point.get(SEED), int):
            raise SweepError(f"{path.name}: point {point} has no seed. Add seed=0, 1, ...")
    if len(set(keys)) != len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise SweepError(f"{path.name}: points() lists {twice} twice. Drop one.")
    return points


def point_key(point: Mapping[str, Any]) -> str:
    """Return a text that is the same for the same parameters."""
    return json.dumps(point, sort_keys=True)
