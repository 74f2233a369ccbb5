"""Learning curves, and the same read sideways: how many labels a method needs for an accuracy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tlhelpers.evidence.recorded import Recorded


class Labels(NamedTuple):
    """How many labels an accuracy takes.

    Attributes
    ----------
    number : float
        Where the mean curve reaches the accuracy.
    low, high : float
        Where the upper and the lower end of its 95 % interval do. All three are 0 where the
        smallest set that was measured is enough already, and infinite where the largest is not.
    fewest, most : float
        The smallest and the largest set that was measured.
    """

    number: float
    low: float
    high: float
    fewest: float
    most: float

    def __str__(self) -> str:
        """Say the number with its interval, and where it lies outside what was measured."""
        if math.isinf(self.number) and math.isinf(self.low):
            return f"more than {self.most:,.0f}"
        if self.number == self.high == 0:
            return f"fewer than {self.fewest:,.0f}"
        return f"{self._say(self.number)} ({self._say(self.low)} to {self._say(self.high)})"

    def _say(self, labels: float) -> str:
        if math.isinf(labels):
            return f"over {self.most:,.0f}"
        return f"{labels:,.0f}" if labels else f"under {self.fewest:,.0f}"


def curves(
    sweep: Recorded,
    methods: Mapping[str, str],
    where: Mapping[str, object],
    *,
    x: str = "labels",
    value: str = "accuracy",
) -> pd.DataFrame:
    """Return the recorded learning curve of each method with its intervals.

    Parameters
    ----------
    sweep : Recorded
        A sweep with a parameter ``method``.
    methods : mapping of str to str
        What each method is called on the page, by its name in the sweep.
    where : mapping
        Parameters that, with the method, leave one point for each number of labels and seed.
    x, value : str
        The parameter that counts labels, and the score.

    Returns
    -------
    pandas.DataFrame
        Columns ``method``, ``x``, ``mean``, ``low``, ``high``; a row for each number of labels,
        ascending. Intervals cover seeds and, where the sweep noted which texts were right, texts.
    """
    rows: list[dict[str, object]] = []
    for name, called in methods.items():
        chosen = {**where, "method": name}
        for count in sorted(sweep.select(chosen)[x].unique()):
            mean, low, high = sweep.measurement(value, {**chosen, x: count}).interval[:3]
            rows.append({"method": called, x: int(count), "mean": mean, "low": low, "high": high})
    return pd.DataFrame(rows)


def labels_needed(curve: pd.DataFrame, accuracy: float, *, x: str = "labels") -> Labels:
    """Find how many labels one method needs for an accuracy.

    Parameters
    ----------
    curve : pandas.DataFrame
        Columns ``x``, ``mean``, ``low``, ``high``, as :func:`curves` gives them.
    accuracy : float
        What is asked for, between 0 and 1.
    x : str
        The column that counts labels.

    Returns
    -------
    Labels
        Between measured counts the curve is a straight line over the logarithm of the labels.
        A dip of the curve is taken for chance: what fewer labels reached, more reach as well.

    Raises
    ------
    ValueError
        If the accuracy is no share, or the curve has fewer than two points.

    Notes
    -----
    The interval is the set of counts whose own 95 % interval holds the accuracy: inverse
    prediction, as in calibration (Draper and Smith, Applied Regression Analysis, section 3.2).
    """
    if not 0 < accuracy < 1:
        raise ValueError(f"accuracy={accuracy!r} must lie between 0 and 1, such as 0.8")
    if len(curve) < 2:
        raise ValueError(f"a curve needs two numbers of labels or more, this has {len(curve)}")
    ordered = curve.sort_values(x)
    counts = ordered[x].to_numpy(dtype=float)
    count, low, high = (
        _first_reached(counts, np.maximum.accumulate(ordered[name].to_numpy(float)), accuracy)
        for name in ("mean", "high", "low")
    )
    return Labels(count, low, high, counts[0], counts[-1])


def price_list(
    curves: pd.DataFrame, accuracy: float, cents: float, *, x: str = "labels"
) -> pd.DataFrame:
    """Say what an accuracy costs in labels with each method.

    Parameters
    ----------
    curves : pandas.DataFrame
        The curves of several methods, as :func:`curves` gives them.
    accuracy : float
        What is asked for, between 0 and 1.
    cents : float
        The price of a label.
    x : str
        The column that counts labels.

    Returns
    -------
    pandas.DataFrame
        A row a method: ``method``, ``labels`` with their interval, and their price in ``dollars``,
        empty where the curve does not say how many it takes.
    """
    rows = []
    for method, curve in curves.groupby("method", sort=False):
        needed = labels_needed(curve, accuracy, x=x)
        known = 0 < needed.number < math.inf
        price = f"${needed.number * cents / 100:,.0f}" if known else ""
        rows.append({"method": method, x: str(needed), "dollars": price})
    return pd.DataFrame(rows)


def _first_reached(
    counts: NDArray[np.float64], scores: NDArray[np.float64], accuracy: float
) -> float:
    if accuracy <= scores[0]:
        return 0.0
    if accuracy > scores[-1]:
        return math.inf
    after = int(np.searchsorted(scores, accuracy))
    before = after - 1
    share = (accuracy - scores[before]) / (scores[after] - scores[before])
    return float(np.exp(np.interp(share, [0, 1], np.log(counts[[before, after]]))))
