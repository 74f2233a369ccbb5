"""Record a sweep point by point, and tell whether what is recorded still holds.

A sweep starts only if the bars that it settles are frozen (``tools/register.py``), and keeps their
digests.

Points of different code are never mixed: what ``run`` reaches in the sweep's file is hashed. What
it calls in ``tlhelpers`` may change, and so may the libraries: the file's stamp keeps the digest of
each file that was read, and the versions. Where they differ now the points are *due*: one of them
is measured again, and if it repeats the file is stamped anew; else the sweep is *stale*.
"""

from __future__ import annotations

import ast
import json
import math
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock
from tqdm import tqdm

from tlhelpers.evidence.recorded import checksum, read_content
from tools.execution.freshness import arithmetic_here
from tools.execution.watcher import digest
from tools.project import write_atomically
from tools.register import bars_of_sweep
from tools.sweep.measure import Measured, environment, measured_points
from tools.sweep.plan import (
    RESULTS,
    ROOT,
    Point,
    SweepError,
    code_hash,
    limit_minutes,
    load_sweep,
    planned_points,
    point_key,
)

Content = dict[str, Any]
STAMPED = ("device", "precision", "threads", "versions")


def two_core_minutes(content: Mapping[str, Any]) -> float:
    """Return how long a recorded sweep took; a point measured on one thread counts half."""
    threads = [environment["threads"] for environment in content["environments"]]
    seconds = sum(p["seconds"] * threads[p["environment"]] / 2 for p in content["points"])
    return seconds / 60


def write_content(path: Path, content: Content) -> None:
    """Write a sweep's file in one step, one point a line, with its checksum."""
    content = {**content, "checksum": checksum(content)}
    head = {key: value for key, value in content.items() if key not in ("points", "checksum")}
    lines = ",\n".join("    " + json.dumps(point, allow_nan=False) for point in content["points"])
    text = json.dumps(head, indent=2)[:-2] + f',\n  "points": [\n{lines}\n  ],\n'
    text += f'  "checksum": "{content["checksum"]}"\n}}\n'
    write_atomically(path, text)


def run_sweep(
    path: Path, results: Path = RESULTS, fresh: bool = False, minutes: float = math.inf
) -> int:
    """Measure the points of a sweep that are not recorded yet.

    Parameters
    ----------
    path : Path
        The sweep's file.
    results : Path
        Folder to record in.
    fresh : bool
        Forget recorded points, also those of other code.
    minutes : float
        Begin no further point after this time.

    Returns
    -------
    int
        How many points are still missing.

    Raises
    ------
    UserError
        If a bar that it settles is not frozen, or no entry of the ledger waits for it.
    SweepError
        If the recorded points are of other code, stale or due, or a point fails.
    """
    bars = bars_of_sweep(path.stem)
    # Two runs of one sweep would overwrite each other's points.
    with FileLock(Path(tempfile.gettempdir()) / f"sweep-{path.stem}.lock"):
        points = planned_points(load_sweep(path), path)
        target = results / f"{path.stem}.json"
        content = _content_to_continue(path, target, fresh, bars)
        stored = {point_key(entry["parameters"]) for entry in content["points"]}
        todo = [point for point in points if point_key(point) not in stored]
        if not todo:
            return 0
        deadline = time.monotonic() + 60 * minutes
        begun = len(points) - len(todo)
        with tqdm(total=len(points), initial=begun, desc=path.stem, unit="point") as bar:
            for measured in measured_points(path, todo, deadline):
                bar.set_postfix_str(", ".join(f"{k}={v}" for k, v in measured.point.items()))
                _store(content, points, measured)
                write_content(target, content)
                bar.update()
    missing = len(points) - len(content["points"])
    if not missing:
        total = two_core_minutes(content)
        print(f"{path.stem}: {len(points)} points, {total:.1f} min of two cores in all")
        if total > (limit := limit_minutes(path.stem)):
            print(f"  over its limit of {limit} min: use fewer points or smaller ones")
    return missing


def _content_to_continue(path: Path, target: Path, fresh: bool, bars: dict[str, str]) -> Content:
    code = code_hash(path)
    about = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
    empty = {"sweep": path.stem, "about": about, "code": code, "registered": bars}
    empty |= {"environments": [], "points": []}
    if fresh or not target.exists():
        return empty
    content = read_content(target)
    if content["code"] != code:
        raise SweepError(
            f"{path.name} has changed since {target.name} was recorded; points of different code "
            f"do not mix. Start again: python -m tools.sweep {path.stem} --fresh."
        )
    if "stale" in content:
        raise SweepError(
            f"{target.name} is stale: {content['stale']['why']} "
            f"Start again: python -m tools.sweep {path.stem} --fresh."
        )
    planned = {point_key(point) for point in planned_points(load_sweep(path), path)}
    recorded = {point_key(entry["parameters"]) for entry in content["points"]}
    if all(point["parameters"].get("stage") == "tune" for point in content["points"]):
        content["registered"] = bars  # so far only settings were chosen, which settles nothing
    if planned - recorded and (reason := why_due(content)):
        raise SweepError(
            f"{target.name} is due: {reason}. New points may differ from those recorded; see "
            f"whether one of them repeats: make results CHAPTER={path.stem[:2]} SAMPLE=1."
        )
    return content


def _store(content: Content, points: list[Point], measured: Measured) -> None:
    if measured.environment not in content["environments"]:
        content["environments"].append(measured.environment)
    entry: dict[str, Any] = {"parameters": measured.point, "values": measured.values}
    if measured.right:
        tests = content.setdefault("test_sets", {})
        entry["right"] = {}
        for name, right in measured.right.items():
            tests[right.texts] = len(right.bits)
            entry["right"][name] = right.stored()
    entry["seconds"] = round(measured.seconds, 2)
    entry["environment"] = content["environments"].index(measured.environment)
    order = {point_key(planned): place for place, planned in enumerate(points)}
    content["points"].append(entry)
    content["points"].sort(key=lambda item: order.get(point_key(item["parameters"]), len(order)))
    files = content.get("stamp", {}).get("files", {}) | measured.files
    content["stamp"] = stamp(measured.environment, files)
    # The points stay what one sees when one opens the file.
    content["points"] = content.pop("points")


def stamp(where: Mapping[str, Any], files: Mapping[str, str | None]) -> dict[str, Any]:
    """Return what must be as it is now for the recorded points to hold."""
    kept = {name: where[name] for name in ("commit", "when", *STAMPED)}
    return kept | {"files": dict(sorted(files.items()))}


def why_due(content: Mapping[str, Any]) -> str | None:
    """Tell what has changed since a sweep was measured or last sampled; nothing if all is as then.

    A sweep without a stamp was recorded before there were stamps.
    """
    if "stamp" not in content:
        return "it has no stamp of what it was measured with"
    stamped = content["stamp"]
    for name, known in stamped["files"].items():
        if digest(ROOT / name) != known:
            return f"{name} changed"
    here = arithmetic_here() | {"versions": environment()["versions"]}
    for name in STAMPED:
        if stamped[name] != here[name]:
            return f"{name} {stamped[name]} became {here[name]}"
    return None


def state(content: Mapping[str, Any]) -> str:
    """Say in a line whether a recorded sweep holds, is due or is stale."""
    if "stale" in content:
        return f"stale: {content['stale']['why']}"
    reason = why_due(content)
    unknown = sum(
        content["environments"][point["environment"]].get("precision") == "unknown"
        for point in content["points"]
    )
    told = f"; precision unknown of {unknown} points" if unknown else ""
    if "registered" not in content:
        told += "; recorded before bars were frozen"
    return (f"due: {reason}" if reason else "holds") + told
