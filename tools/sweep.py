"""Run the sweeps of book/sweeps and record them in book/results, point by point.

    python -m tools.sweep              every sweep: what is missing
    python -m tools.sweep 10 13        the sweeps of two chapters
    python -m tools.sweep 10 --fresh   from the start, after its code has changed
    python -m tools.sweep --sample     measure one recorded point again and compare

A sweep is a file book/sweeps/NN-slug.py with

    points() -> list[dict]        parameters of each point, "seed" among them
    run(point) -> dict[str, float]  what was measured there

and, if it wants, TOLERANCE = {"accuracy": 0.02} for --sample, and NOT_COMPARED = ("seconds",) for
values, such as times, that another machine need not reach.

Points that only choose a setting on validation data say stage="tune". One seed may do; of several
the mean decides. What they chose stands in CHOSEN = {method: learning_rate}, and a test compares.

Each point is stored as it ends, so a stopped sweep goes on where it was. Points of different code
are never mixed: what run() reaches in the file is hashed. points() may grow.
What the hash does not see is a change in tlhelpers; --sample and the tests look for that.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib.util
import json
import math
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

from filelock import FileLock
from tqdm import tqdm

from tlhelpers.evidence.recorded import SEED, checksum, over_seeds, read_content
from tools.project import Project, write_atomically

ROOT = Project().root
SWEEPS = ROOT / "book" / "sweeps"
RESULTS = ROOT / "book" / "results"
LIBRARIES = ("torch", "transformers", "datasets", "accelerate", "peft", "scikit-learn", "numpy")
LONG_CHAPTERS = (10, 13, 18)
NOT_COMPARED = ("seconds", "memory")

Point = dict[str, Any]


class SweepError(RuntimeError):
    """A sweep that cannot go on: says which, why, and what to do."""


def limit_minutes(name: str) -> int:
    """Return how long a sweep may take on two cores."""
    return 60 if int(name[:2]) in LONG_CHAPTERS else 20


def two_core_minutes(content: Mapping[str, Any]) -> float:
    """Return how long a recorded sweep took; a point measured on one thread counts half."""
    threads = [environment["threads"] for environment in content["environments"]]
    seconds = sum(p["seconds"] * threads[p["environment"]] / 2 for p in content["points"])
    return seconds / 60


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


def environment() -> dict[str, Any]:
    """Describe what a point is measured on: processor, cores, threads, versions, commit."""
    versions = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    import torch

    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none",
        "system": platform.system(),
        "versions": versions,
        "commit": _commit(),
        "when": datetime.now(UTC).date().isoformat(),
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    command = ["git", "rev-parse", "HEAD"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def write_content(path: Path, content: dict[str, Any]) -> None:
    """Write a sweep's file in one step, one point a line, with its checksum."""
    content = {**content, "checksum": checksum(content)}
    head = {key: value for key, value in content.items() if key not in ("points", "checksum")}
    lines = ",\n".join("    " + json.dumps(point, allow_nan=False) for point in content["points"])
    text = json.dumps(head, indent=2)[:-2] + f',\n  "points": [\n{lines}\n  ],\n'
    text += f'  "checksum": "{content["checksum"]}"\n}}\n'
    write_atomically(path, text)


def measure(module: ModuleType, point: Point) -> tuple[dict[str, float], float]:
    """Run one point; return its values and its seconds."""
    started = time.perf_counter()
    values = {name: float(value) for name, value in module.run(dict(point)).items()}
    seconds = time.perf_counter() - started
    for name, value in values.items():
        if not math.isfinite(value):
            raise SweepError(f"point {point} gave {name} = {value}. Mend run(), nothing is stored.")
    return values, seconds


def run_sweep(
    path: Path, results: Path = RESULTS, fresh: bool = False, minutes: float = math.inf
) -> int:
    """Measure the points of a sweep that are not recorded yet.

    Parameters
    ----------
    path : the sweep's file.
    results : folder to record in.
    fresh : forget recorded points, also those of other code.
    minutes : begin no further point after this time.

    Returns
    -------
    int
        How many points are still missing.
    """
    # Two runs of one sweep would overwrite each other's points.
    with FileLock(Path(tempfile.gettempdir()) / f"sweep-{path.stem}.lock"):
        module = load_sweep(path)
        points = planned_points(module, path)
        target = results / f"{path.stem}.json"
        content = _content_to_continue(path, target, fresh)
        stored = {point_key(entry["parameters"]): entry for entry in content["points"]}
        todo = [point for point in points if point_key(point) not in stored]
        here = environment()
        deadline = time.monotonic() + 60 * minutes
        bar = tqdm(total=len(points), initial=len(points) - len(todo), desc=path.stem, unit="point")
        for done, point in enumerate(todo):
            if time.monotonic() > deadline:
                return len(todo) - done
            bar.set_postfix_str(", ".join(f"{name}={value}" for name, value in point.items()))
            values, seconds = measure(module, point)
            _store(content, points, point, values, seconds, here)
            write_content(target, content)
            bar.update()
        bar.close()
    total = two_core_minutes(content)
    print(f"{path.stem}: {len(content['points'])} points, {total:.1f} min of two cores in all")
    if total > limit_minutes(path.stem):
        print(
            f"  over its limit of {limit_minutes(path.stem)} min: use fewer points or smaller ones"
        )
    return 0


def _content_to_continue(path: Path, target: Path, fresh: bool) -> dict[str, Any]:
    code = code_hash(path)
    about = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
    empty = {"sweep": path.stem, "about": about, "code": code, "environments": [], "points": []}
    if fresh or not target.exists():
        return empty
    content = read_content(target)
    if content["code"] != code:
        raise SweepError(
            f"{path.name} has changed since {target.name} was recorded; points of different code "
            f"do not mix. Start again: python -m tools.sweep {path.stem} --fresh."
        )
    return content


def _store(
    content: dict[str, Any],
    points: list[Point],
    point: Point,
    values: dict[str, float],
    seconds: float,
    here: dict[str, Any],
) -> None:
    if here not in content["environments"]:
        content["environments"].append(here)
    entry = {
        "parameters": point,
        "values": values,
        "seconds": round(seconds, 2),
        "environment": content["environments"].index(here),
    }
    order = {point_key(planned): place for place, planned in enumerate(points)}
    content["points"].append(entry)
    content["points"].sort(key=lambda item: order.get(point_key(item["parameters"]), len(order)))


@dataclass(frozen=True)
class Again:
    """A recorded point and the same point measured again.

    Attributes
    ----------
    parameters : the point.
    values : per compared value: recorded, measured again, largest difference allowed.
    """

    name: str
    parameters: Point
    values: dict[str, tuple[float, float, float]]

    @property
    def agrees(self) -> bool:
        """Whether every compared value is within its tolerance."""
        return all(abs(a - b) <= tolerance for a, b, tolerance in self.values.values())

    def __str__(self) -> str:
        """Say what was compared, one value a line."""
        lines = [f"{self.name}: {self.parameters}"]
        for value, (before, now, tolerance) in self.values.items():
            verdict = "agrees" if abs(before - now) <= tolerance else "DIFFERS"
            lines.append(
                f"  {value}: recorded {before:.4f}, now {now:.4f}, "
                f"allowed +-{tolerance:.4f}: {verdict}"
            )
        return "\n".join(lines)


def cheap_points(content: Mapping[str, Any], share: float = 0.25) -> list[dict[str, Any]]:
    """Return the quickest points of a recorded sweep, at least one."""
    by_time = sorted(content["points"], key=lambda entry: entry["seconds"])
    return by_time[: max(1, int(len(by_time) * share))]


def tolerance_of(
    module: ModuleType, content: Mapping[str, Any], entry: Mapping[str, Any], value: str
) -> float:
    """Return how far a second measurement may be from the recorded one.

    The sweep's own TOLERANCE, else half of the 95 % interval over the seeds of the same setting:
    another processor rounds differently, which acts like another seed.
    """
    own = getattr(module, "TOLERANCE", {})
    if value in own:
        return float(own[value])

    def without_seed(point: Mapping[str, Any]) -> dict[str, Any]:
        return {name: item for name, item in point.items() if name != SEED}

    setting = without_seed(entry["parameters"])
    measured = [
        other["values"][value]
        for other in content["points"]
        if without_seed(other["parameters"]) == setting and value in other["values"]
    ]
    interval = over_seeds(measured)
    half = interval.mean - interval.low
    # With one seed there is no interval, and equal values leave one of no width.
    return max(half if math.isfinite(half) else 0.0, 1e-6)


def sample(path: Path, results: Path = RESULTS, choice: int | None = None) -> Again:
    """Measure one of the quickest recorded points again.

    Parameters
    ----------
    path : the sweep's file.
    results : folder of the recorded sweeps.
    choice : seed of the choice of the point; today's date if not given.
    """
    module, content = load_sweep(path), read_content(results / f"{path.stem}.json")
    if content["code"] != code_hash(path):
        raise SweepError(f"{path.name} has changed since it was recorded. Run it with --fresh.")
    chooser = random.Random(datetime.now(UTC).date().toordinal() if choice is None else choice)
    entry = chooser.choice(cheap_points(content))
    now, _ = measure(module, entry["parameters"])
    skipped = (*NOT_COMPARED, *getattr(module, "NOT_COMPARED", ()))
    compared = {
        value: (before, now[value], tolerance_of(module, content, entry, value))
        for value, before in entry["values"].items()
        if not value.startswith(skipped)
    }
    return Again(path.stem, entry["parameters"], compared)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.sweep", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("which", nargs="*", help="chapter numbers or names of sweeps")
    parser.add_argument("--fresh", action="store_true", help="forget what is recorded")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no point after this")
    parser.add_argument("--sample", action="store_true", help="compare one point per sweep")
    parser.add_argument("--choice", type=int, help="seed of the choice of the sampled point")
    options = parser.parse_args(arguments)
    # Recorded sweeps are those of the tiny profile, whatever this machine has.
    os.environ.setdefault("TL_PROFILE", "tiny")
    status = 0
    try:
        for path in find_sweeps(options.which):
            if options.sample:
                again = sample(path, choice=options.choice)
                print(again)
                status |= not again.agrees
            else:
                missing = run_sweep(path, fresh=options.fresh, minutes=options.minutes)
                if missing:
                    print(f"{path.stem}: stopped, {missing} points are missing; run it again")
    except (SweepError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
