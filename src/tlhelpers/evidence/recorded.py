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
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tlhelpers.metrics import Interval, mean_interval, paired_interval

SEED = "seed"


class ResultsError(ValueError):
    """A recorded sweep that cannot be used: says which, why, and what to do."""


@dataclass(frozen=True)
class Right:
    """Which test texts a method got right: what a sweep returns for a score that is their share.

    Attributes
    ----------
    bits : array of bool of shape (T,)
        One for each test text.
    texts : str
        Digest of the test texts, so that only scores on the same ones are paired.
    """

    bits: NDArray[np.bool_]
    texts: str

    @classmethod
    def of(cls, right: ArrayLike, texts: Sequence[object]) -> Right:
        """Note which of these texts were right.

        Parameters
        ----------
        right : array of bool of shape (T,)
            One for each text.
        texts : sequence of T texts
            Or of lists of words; what identifies them, in order.

        Returns
        -------
        Right
            With the digest of the texts.

        Raises
        ------
        ValueError
            If the lengths differ, or there is no text.
        """
        bits = np.asarray(right, dtype=bool)
        if bits.shape != (len(texts),) or not len(texts):
            raise ValueError(f"right has shape {bits.shape}; give one answer a text ({len(texts)})")
        content = json.dumps(list(texts), ensure_ascii=False).encode()
        return cls(bits, hashlib.sha256(content).hexdigest()[:16])

    @property
    def share(self) -> float:
        """Share of the texts that were right."""
        return float(self.bits.mean())

    def stored(self) -> dict[str, str]:
        """Return what stands in a sweep's file: the bits in hexadecimal, the first text first."""
        return {"bits": np.packbits(self.bits).tobytes().hex(), "texts": self.texts}

    @classmethod
    def from_stored(cls, stored: Mapping[str, str], count: int) -> Right:
        """Read back what `stored` gave for ``count`` texts."""
        packed = np.frombuffer(bytes.fromhex(stored["bits"]), dtype=np.uint8)
        return cls(np.unpackbits(packed, count=count).astype(bool), stored["texts"])


def over_seeds(values: Sequence[float]) -> Interval:
    """Return mean and 95 % interval; the interval of a single seed is unbounded."""
    if len(values) == 1:
        return Interval(float(values[0]), -math.inf, math.inf, 1)
    return mean_interval(values)


@dataclass(frozen=True)
class Measurement:
    """One number over the seeds, or the difference of two.

    Attributes
    ----------
    values : pandas.Series of S float
        A value a seed.
    by_text : pandas.DataFrame of shape (S, T), optional
        For a share of test texts: what each seed scored on each text, where that was recorded.
    texts : str
        Digest of the test texts; empty without ``by_text``.
    """

    values: pd.Series[float]
    by_text: pd.DataFrame | None = None
    texts: str = ""

    @property
    def interval(self) -> Interval:
        """Mean and 95 % interval; over seeds and texts where each text's score is known."""
        if self.by_text is not None:
            return paired_interval(self.by_text)
        return over_seeds(list(self.values))

    @property
    def covers(self) -> str:
        """Say what the interval is over."""
        seeds = f"{len(self.values)} seed{'s' * (len(self.values) != 1)}"
        return seeds if self.by_text is None else f"{seeds} and {self.by_text.shape[1]} texts"

    def minus(self, other: Measurement) -> Measurement:
        """Subtract seed by seed, and text by text where both were tested on the same ones.

        Parameters
        ----------
        other : Measurement
            What to subtract.

        Returns
        -------
        Measurement
            The difference, for the seeds that both have.

        Raises
        ------
        ResultsError
            If they have no seed in common.
        """
        values = (self.values - other.values).dropna()
        if values.empty:
            raise ResultsError("no seed has a value in both settings that are compared.")
        if self.by_text is None or other.by_text is None or self.texts != other.texts:
            return Measurement(values)
        by_text = self.by_text.loc[values.index] - other.by_text.loc[values.index]
        return Measurement(values, by_text, self.texts)

    def __str__(self) -> str:
        """Say mean, interval and what it covers."""
        mean, low, high, *_ = self.interval
        return f"{mean:.3g}, 95 % interval {low:.3g} to {high:.3g} over {self.covers}"


@dataclass(frozen=True)
class Recorded:
    """A recorded sweep.

    Attributes
    ----------
    name : str
        E.g. ``"10-full-fine-tuning"``.
    points : pandas.DataFrame
        One row a point: its parameters (``seed`` among them), its values, its seconds.
    parameters : tuple of str
        Names of the columns that were set.
    values : tuple of str
        Names of the columns that were measured.
    meta : mapping
        ``processor``, ``cores``, ``threads``, ``precision``, ``versions``, ``commit``, ``when`` of
        the latest point, total ``seconds``, number of ``points``, ``seeds``, ``environments``, all
        of them if the sweep ran in more than one, ``stale``: why the points no longer hold, or
        None, and ``registered``: the digest of each bar that was frozen before it ran.
    rights : mapping of str to sequence
        For values that are a share of test texts, which of them were right, a point each.
    """

    name: str
    points: pd.DataFrame
    parameters: tuple[str, ...]
    values: tuple[str, ...]
    meta: Mapping[str, Any]
    rights: Mapping[str, Sequence[Right | None]] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Say what it holds and where it was measured."""
        return (
            f"{self.name}: {self.meta['points']} points, seeds {self.meta['seeds']}, "
            f"{self.meta['seconds'] / 60:.0f} min on {self.meta['processor']}, "
            f"{self.meta['threads']} threads"
            + (f". STALE: {self.meta['stale']['why']}" if self.meta.get("stale") else "")
        )

    def select(self, where: Mapping[str, object]) -> pd.DataFrame:
        """Return the points with these parameters.

        Parameters
        ----------
        where : mapping
            Parameters and the value that each must have.

        Returns
        -------
        pandas.DataFrame
            Their rows of ``points``.

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
        by : sequence of str
            Parameters that tell the groups apart.
        value : str
            The value to summarise.
        where : mapping
            Parameters that select the points beforehand.

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

    def right(
        self, value: str, where: Mapping[str, object] | None = None
    ) -> tuple[list[int], NDArray[np.bool_], str]:
        """Return which test texts were right.

        Parameters
        ----------
        value : str
            A value that is a share of test texts, such as ``"accuracy"``.
        where : mapping
            Parameters that leave one point a seed.

        Returns
        -------
        seeds : list of S int
            The seed of each row.
        bits : array of bool of shape (S, T)
            A row a seed, a column a test text.
        texts : str
            Digest of the test texts.

        Raises
        ------
        ResultsError
            If this was not recorded for each of the points, or their test texts differ.
        """
        rows = self.select(where or {})
        self._one_value_per_seed(rows, value)
        found = [(self.rights.get(value) or [None] * len(self.points))[row] for row in rows.index]
        kept = [one for one in found if one is not None]
        if len(kept) < len(found):
            raise ResultsError(
                f"{self.name}: which texts were right is not recorded for {value!r}. Let run() "
                "return Right.of(predictions == labels, texts), and record the sweep again."
            )
        if len({one.texts for one in kept}) > 1:
            raise ResultsError(f"{self.name}: these points were tested on different texts.")
        return list(rows[SEED]), np.stack([one.bits for one in kept]), kept[0].texts

    def measurement(
        self,
        value: str,
        where: Mapping[str, object] | None = None,
        minus: Mapping[str, object] | None = None,
        minus_value: str = "",
    ) -> Measurement:
        """Return what a bar is held against.

        Parameters
        ----------
        value : str
            The value to look at.
        where : mapping
            Parameters that leave one point a seed.
        minus : mapping
            Parameters to change in ``where`` for the points to subtract.
        minus_value : str
            The value to subtract, if it is another one.

        Returns
        -------
        Measurement
            A value a seed, with those of each text where they were recorded.

        Raises
        ------
        ResultsError
            If no seed has the value in every point asked for.
        """
        where = where or {}
        found = self._measurement(value, where)
        if minus or minus_value:
            found = found.minus(self._measurement(minus_value or value, {**where, **(minus or {})}))
        if found.values.empty:
            raise ResultsError(f"{self.name}: no seed has {value!r} in every point asked for.")
        return found

    def _measurement(self, value: str, where: Mapping[str, object]) -> Measurement:
        rows = self.select(where)
        values = self._one_value_per_seed(rows, value)
        kept = self.rights.get(value)
        if kept is None or any(kept[row] is None for row in rows.index):
            return Measurement(values)
        seeds, bits, texts = self.right(value, where)
        return Measurement(values, pd.DataFrame(bits.astype(float), index=seeds), texts)

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
        value : str
            The value to look at.
        where : mapping
            Parameters that leave one point a seed.
        minus : mapping
            Parameters to change in ``where`` for the points to subtract, seed by seed.
        statistic : str
            ``mean``, ``low``, ``high``, ``min``, ``max`` or ``count``.

        Returns
        -------
        float
            The statistic over the seeds; ``low`` and ``high`` are the ends of the 95 % interval.

        Raises
        ------
        ResultsError
            If no seed has the value in every point asked for.
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

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict
        What it holds.

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
    name : str
        The sweep's name, e.g. ``"10-full-fine-tuning"``.
    folder : Path, optional
        Where it lies; by default ``results_folder()``.

    Returns
    -------
    Recorded
        Its points, and where they were measured.
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
        "stale": content.get("stale"),
        "registered": content.get("registered", {}),
    }
    tests = content.get("test_sets", {})
    rights = {
        value: [
            Right.from_stored(stored, tests[stored["texts"]])
            if (stored := point.get("right", {}).get(value))
            else None
            for point in points
        ]
        for value in dict.fromkeys(name for point in points for name in point.get("right", {}))
    }
    return Recorded(path.stem, pd.DataFrame(rows), parameters, values, meta, rights)
