"""Recorded sweeps: what ``make results`` measured, read back for pages and for the ledger.

A sweep is one file, ``book/results/NAME.json``, written only by ``tools/sweep.py``: its points
with their seeds, the processor, the versions, the seconds and the commit. A checksum tells a file
that somebody edited from one that was measured.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from tlhelpers.metrics import Interval, mean_interval

SEED = "seed"


class ResultsError(ValueError):
    """A recorded sweep that cannot be used: says which, why, and what to do."""


def over_seeds(values: Sequence[float]) -> Interval:
    """Return mean and 95 % interval; the interval of a single seed is unbounded."""
    if len(values) == 1:
        return Interval(float(values[0]), -math.inf, math.inf, 1)
    return mean_interval(values)


@dataclass(frozen=True)
class Recorded:
    """A recorded sweep.

    Attributes
    ----------
    name : e.g. ``"10-full-fine-tuning"``.
    points : one row a point: its parameters (``seed`` among them), its values, its seconds.
    parameters : names of the columns that were set.
    values : names of the columns that were measured.
    meta : ``processor``, ``cores``, ``threads``, ``versions``, ``commit``, ``when`` of the latest
        point, total ``seconds``, number of ``points``, ``seeds``, and ``environments``, all of
        them if the sweep ran in more than one.
    """

    name: str
    points: pd.DataFrame
    parameters: tuple[str, ...]
    values: tuple[str, ...]
    meta: Mapping[str, Any]

    def __repr__(self) -> str:
        """Say what it holds and where it was measured."""
        return (
            f"{self.name}: {self.meta['points']} points, seeds {self.meta['seeds']}, "
            f"{self.meta['seconds'] / 60:.0f} min on {self.meta['processor']}, "
            f"{self.meta['threads']} threads"
        )

    def select(self, where: Mapping[str, object]) -> pd.DataFrame:
        """Return the points with these parameters.

        Raises
        ------
        ResultsError
            If a parameter does not exist or no point has that value.
        """
        rows = self.points
        for parameter, wanted in where.items():
            if parameter not in self.parameters:
                known = ", ".join(self.parameters)
                raise ResultsError(f"{self.name}: no parameter {parameter!r}. It has: {known}.")
            chosen = rows[rows[parameter] == wanted]
            if chosen.empty:
                there = ", ".join(str(value) for value in rows[parameter].unique())
                raise ResultsError(
                    f"{self.name}: no point with {parameter} = {wanted!r}. There are: {there}."
                )
            rows = chosen
        return rows

    def _one_value_per_seed(self, rows: pd.DataFrame, value: str) -> pd.Series[float]:
        if value not in self.values:
            known = ", ".join(self.values)
            raise ResultsError(f"{self.name}: no value {value!r}. It has: {known}.")
        if rows[SEED].duplicated().any():
            varies = [name for name in self.parameters if name != SEED and rows[name].nunique() > 1]
            raise ResultsError(
                f"{self.name}: several points share a seed, because {', '.join(varies)} "
                "varies among them. Select one of its values, or group by it."
            )
        return rows.set_index(SEED)[value].dropna()

    def summary(
        self, by: Sequence[str], value: str = "accuracy", where: Mapping[str, object] | None = None
    ) -> pd.DataFrame:
        """Return mean and 95 % t-interval over the seeds.

        Parameters
        ----------
        by : parameters that tell the groups apart.
        value : the value to summarise.
        where : parameters that select the points beforehand.

        Returns
        -------
        pandas.DataFrame
            The columns of ``by``, then ``mean``, ``low``, ``high``, ``seeds`` (how many).

        Raises
        ------
        ResultsError
            If a group mixes points that differ in more than their seed.
        """
        records = []
        for keys, rows in self.select(where or {}).groupby(list(by), sort=True, dropna=False):
            values = self._one_value_per_seed(rows, value)
            interval = over_seeds(list(values))
            record = dict(zip(by, keys, strict=True))
            record |= {"mean": interval.mean, "low": interval.low, "high": interval.high}
            records.append(record | {"seeds": interval.n})
        return pd.DataFrame(records)

    def statistic(
        self,
        value: str,
        where: Mapping[str, object] | None = None,
        minus: Mapping[str, object] | None = None,
        statistic: str = "mean",
    ) -> float:
        """Return one number about the points that ``where`` selects.

        Parameters
        ----------
        value : the value to look at.
        where : parameters that leave one point a seed.
        minus : parameters to change in ``where`` for the points to subtract, seed by seed.
        statistic : ``mean``, ``low``, ``high``, ``min``, ``max`` or ``count``.
        """
        where = where or {}
        values = self._one_value_per_seed(self.select(where), value)
        if minus:
            other = self._one_value_per_seed(self.select({**where, **minus}), value)
            values = (values - other).dropna()
        if values.empty:
            raise ResultsError(f"{self.name}: no seed has {value!r} in every point asked for.")
        interval = over_seeds(list(values))
        found = {"mean": interval.mean, "low": interval.low, "high": interval.high}
        found["count"] = float(interval.n)
        found |= {"min": float(values.min()), "max": float(values.max())}
        return found[statistic]


def results_folder() -> Path:
    """Return ``book/results`` of the checkout, or the copy inside an installed package."""
    checkout = Path(__file__).resolve().parents[3] / "book" / "results"
    return checkout if checkout.is_dir() else Path(__file__).resolve().parents[1] / "recorded"


def checksum(content: Mapping[str, Any]) -> str:
    """Return the sha256 of a sweep's content, its own checksum left out."""
    rest = {key: value for key, value in content.items() if key != "checksum"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_content(path: Path) -> dict[str, Any]:
    """Read a sweep's file and refuse it if it was edited.

    Raises
    ------
    ResultsError
        If there is no such file or its checksum does not fit its content.
    """
    if not path.exists():
        known = ", ".join(sorted(other.stem for other in path.parent.glob("*.json"))) or "none"
        raise ResultsError(
            f"no recorded sweep {path.stem!r} in {path.parent}; there are: {known}. "
            f"Make it: make results CHAPTER={path.stem[:2]}."
        )
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if content.get("checksum") != checksum(content):
        raise ResultsError(
            f"{path.name} was changed after it was measured: its checksum does not fit. "
            f"Measure it again: make results CHAPTER={path.stem[:2]}."
        )
    return content


def recorded(name: str, folder: Path | None = None) -> Recorded:
    """Return a recorded sweep.

    Parameters
    ----------
    name : the sweep's name, e.g. ``"10-full-fine-tuning"``.
    folder : default ``results_folder()``.
    """
    path = (folder or results_folder()) / f"{name}.json"
    modified = path.stat().st_mtime_ns if path.exists() else 0
    return _read(path, modified)


@lru_cache(maxsize=64)
def _read(path: Path, modified: int) -> Recorded:
    content = read_content(path)
    points = content["points"]
    if not points:
        raise ResultsError(f"{path.name} has no points yet. Run make results.")
    parameters = tuple(dict.fromkeys(name for point in points for name in point["parameters"]))
    values = tuple(dict.fromkeys(name for point in points for name in point["values"]))
    rows = [
        {**point["parameters"], **point["values"], "seconds_point": point["seconds"]}
        for point in points
    ]
    environments = content["environments"]
    latest = environments[points[-1]["environment"]]
    meta = {
        **latest,
        "seconds": sum(point["seconds"] for point in points),
        "points": len(points),
        "seeds": len({point["parameters"][SEED] for point in points}),
        "environments": environments,
    }
    return Recorded(path.stem, pd.DataFrame(rows), parameters, values, meta)
