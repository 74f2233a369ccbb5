"""Measure one recorded point again, to see whether the others can be trusted still."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tlhelpers.evidence.recorded import SEED, over_seeds, read_content
from tlhelpers.metrics import prediction_interval
from tools.sweep.measure import Measured, commit, measured_points
from tools.sweep.plan import RESULTS, Point, SweepError, code_hash, load_sweep
from tools.sweep.record import stamp, write_content

NOT_COMPARED = ("seconds", "memory")


@dataclass(frozen=True)
class Again:
    """A recorded point and the same point measured again.

    Attributes
    ----------
    name : str
        The sweep.
    parameters : dict
        The point.
    values : dict of str to tuple
        Per compared value: recorded, measured again, largest difference allowed.
    measured : Measured
        The new measurement with all that it read.
    """

    name: str
    parameters: Point
    values: dict[str, tuple[float, float, float]]
    measured: Measured

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
    module: ModuleType,
    content: Mapping[str, Any],
    entry: Mapping[str, Any],
    value: str,
    same_instructions: bool,
) -> float:
    """Return how far a second measurement may be from the recorded one.

    The sweep's own TOLERANCE, else half of the 95 % interval over the seeds of the same setting.
    Another instruction set rounds otherwise, which in a training run acts like another seed: there
    the measurement may be as far away as a further seed in 99 of 100 cases.
    """
    own = getattr(module, "TOLERANCE", {})
    if value in own:
        return float(own[value])

    def without_seed(point: Mapping[str, Any]) -> dict[str, Any]:
        return {name: item for name, item in point.items() if name != SEED}

    setting = without_seed(entry["parameters"])
    values = [
        other["values"][value]
        for other in content["points"]
        if without_seed(other["parameters"]) == setting and value in other["values"]
    ]
    if same_instructions or len(values) < 2:
        interval = over_seeds(values)
    else:
        interval = prediction_interval(values, confidence=0.99)
    half = interval.mean - interval.low
    # With one seed there is no interval, and equal values leave one of no width.
    return max(half if math.isfinite(half) else 0.0, 1e-6)


def sample(path: Path, results: Path = RESULTS, choice: int | None = None) -> Again:
    """Measure one of the quickest recorded points again.

    Parameters
    ----------
    path : Path
        The sweep's file.
    results : Path
        Folder of the recorded sweeps.
    choice : int, optional
        Seed of the choice of the point; by default the commit that is checked out, so that a
        commit that passed passes again.

    Raises
    ------
    SweepError
        If the recorded points are of other code, or the point fails.
    """
    module, content = load_sweep(path), read_content(results / f"{path.stem}.json")
    if content["code"] != code_hash(path):
        raise SweepError(f"{path.name} has changed since it was recorded. Run it with --fresh.")
    drawn = random.Random(commit() if choice is None else choice)
    entry = drawn.choice(cheap_points(content))
    (measured,) = measured_points(path, [entry["parameters"]])
    recorded_on = content["environments"][entry["environment"]].get("instructions", "unknown")
    same = recorded_on == measured.environment["instructions"]
    skipped = (*NOT_COMPARED, *getattr(module, "NOT_COMPARED", ()))
    compared = {
        value: (
            before,
            measured.values[value],
            tolerance_of(module, content, entry, value, same),
        )
        for value, before in entry["values"].items()
        if not value.startswith(skipped)
    }
    return Again(path.stem, entry["parameters"], compared, measured)


def stamp_anew(again: Again, results: Path = RESULTS) -> None:
    """Write into a sweep's file that a point repeated, or else that the sweep is stale."""
    target = results / f"{again.name}.json"
    content = read_content(target)
    points = content.pop("points")
    content.pop("checksum", None)
    content.pop("stale", None)
    if again.agrees:
        content["stamp"] = stamp(again.measured.environment, again.measured.files)
    else:
        content["stale"] = {
            "why": f"measured again, a point differs. {again}".replace("\n", ";"),
            "commit": again.measured.environment["commit"],
            "when": again.measured.environment["when"],
        }
    write_content(target, content | {"points": points})
