"""Several numbers of a recorded sweep, side by side for a figure."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tlhelpers.evidence.recorded import Recorded


def measurements(
    sweep: Recorded,
    values: Mapping[str, str],
    settings: Mapping[str, Mapping[str, object]],
    where: Mapping[str, object] | None = None,
    minus: Mapping[str, object] | None = None,
) -> pd.DataFrame:
    """Return each value at each setting, or how it differs from that at another setting.

    Parameters
    ----------
    sweep : Recorded
        A recorded sweep.
    values : mapping of str to str
        Columns of the sweep, by what the page calls them.
    settings : mapping of str to mapping
        The parameters of each setting, by what the page calls it.
    where : mapping, optional
        Parameters that all settings share, unless they say otherwise.
    minus : mapping, optional
        Parameters to change in each setting for the points to subtract.

    Returns
    -------
    pandas.DataFrame
        Columns ``setting``, ``value``, ``mean``, ``low``, ``high``, a row for each pair, as
        :func:`tlhelpers.visuals.plots.groups` draws them. The 95 % intervals cover seeds and, where
        the sweep noted which texts were right, texts.

    Raises
    ------
    ResultsError
        If a value or a parameter does not exist, or points are not one a seed.
    """
    rows = [
        (setting, name, *sweep.measurement(value, {**(where or {}), **chosen}, minus).interval[:3])
        for setting, chosen in settings.items()
        for name, value in values.items()
    ]
    return pd.DataFrame(rows, columns=["setting", "value", "mean", "low", "high"])
