"""Figures of numbers: each has a title, units and a text alternative, and follows the page's theme.

No function here trains or computes anything but means and intervals. `axes` and `show` are for
figures of your own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from tlhelpers.visuals.figure import COLOURS, DASHES, MARKERS, Picture, axes, widen
from tlhelpers.visuals.figure import show as show
from tlhelpers.visuals.html import INK


def _percent(name: str, values: ArrayLike) -> bool:
    known = ("accuracy", "f1", "precision", "recall", "share", "selectivity", "skill")
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    named = any(word in name.lower() for word in known)
    return named and bool(np.all((finite >= -1) & (finite <= 1)))


def _label(name: str, percent: bool) -> str:
    words = name.replace("_", " ")
    return f"{words} (%)" if percent else words


def _number(value: float, percent: bool) -> str:
    return f"{value:.1%}" if percent else f"{value:.3g}"


TEXTS = 1_000  # of which a share is taken, where a figure does not know


def _show_intervals(
    ax: Axes, axis: Literal["x", "y"], percent: bool, points: pd.DataFrame | None = None
) -> None:
    """Keep the axis of the scores from being narrower than their interval.

    Where seeds give an interval, it is the widest of these. A share has one besides: what
    `TEXTS` texts can tell.
    """
    from tlhelpers.metrics import wilson

    widths = [0.0]
    if points is not None:
        drawn = (points["high"] - points["low"]).dropna()
        widths += drawn.tolist()
    if percent:
        middle = float(np.clip(np.mean(ax.get_xlim() if axis == "x" else ax.get_ylim()), 0, 1))
        sampled = wilson(round(middle * TEXTS), TEXTS)
        widths.append(sampled.high - sampled.low)
    widen(ax, axis, max(widths))


def history(
    history: pd.DataFrame,
    *,
    x: str = "epoch",
    scores: Sequence[str] | None = None,
    best: float | None = None,
    title: str = "Loss and score while training",
) -> Picture:
    """Draw how losses (above) and scores (below) went while a model was trained.

    Parameters
    ----------
    history : DataFrame
        One row an epoch or step. Columns with "loss" in their name go to the upper panel (nats),
        those that hold accuracy, F1, precision or recall (0 to 1) to the lower.
    x : str
        The column of the x axis, ``"epoch"`` or ``"step"``.
    scores : sequence of str, optional
        The columns for the lower panel, where there are too many for one drawing.
    best : float, optional
        Where on the x axis the kept checkpoint is.
    title : str
        What was trained.

    Returns
    -------
    Picture
        The curves, with the last value of each in the text alternative.

    Raises
    ------
    ValueError
        If there is no loss or no score to draw.
    """
    data = history if x in history else history.rename_axis(x).reset_index()
    numeric = [c for c in data.select_dtypes("number") if c != x]
    losses = [c for c in numeric if "loss" in c.lower()]
    if scores is None:
        scores = [c for c in numeric if c not in losses and _percent(c, data[c])]
    groups = [list(group) for group in (losses, scores) if group]
    if not groups:
        raise ValueError(f"history has no column with a loss or a score: {list(history.columns)}")
    figure, panels = axes(title, x, "", rows=len(groups))
    ends = []
    for ax, group in zip(np.atleast_1d(panels), groups, strict=True):
        percent = group != losses
        ax.set_ylabel(_label("score", True) if percent else "loss (nats)")
        tips = []
        held_out = 0
        for column in group:
            line = data[[x, column]].dropna()
            if line.empty:
                continue
            # Training is the same blue in both panels; what is held out takes the other colours.
            held_out += "train" not in column
            i = 0 if "train" in column else min(held_out, len(COLOURS) - 1)
            ax.plot(line[x], line[column], marker=MARKERS[i], ls=DASHES[i], color=COLOURS[i])
            name = column.replace("_", " ")
            tips.append((float(line[column].iloc[-1]), name, COLOURS[i]))
            first, last = (_number(float(line[column].iloc[k]), percent) for k in (0, -1))
            ends.append(f"{name} goes from {first} to {last}")
        _show_intervals(ax, "y", percent)
        if percent:
            ax.yaxis.set_major_formatter(ticker.PercentFormatter(1, symbol="", decimals=None))
        if best is not None:
            ax.axvline(best, color=COLOURS[-1], ls=":", lw=1.5)
        _name_line_ends(ax, float(data[x].max()), tips)
        if x == "epoch":
            ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    kept = f" The checkpoint of {x} {best:g} is kept (dotted line)." if best is not None else ""
    return Picture(figure, f"{title}, by {x}: {'; '.join(ends)}.{kept}")


def _name_line_ends(ax: Axes, right: float, tips: Sequence[tuple[float, str, str]]) -> None:
    """Write each line's name beside its last point, moved apart where they would overlap."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # settles the axis limits that the distances are taken from
    height = ax.get_window_extent().height
    gap = 14 / 72 * figure.dpi  # one line of text, in pixels
    to_pixels, to_data = ax.transData, ax.transData.inverted()
    wanted = sorted((to_pixels.transform((right, value))[1], name, c) for value, name, c in tips)
    placed: list[float] = []
    for y, _, _ in wanted:
        placed.append(max(y, placed[-1] + gap) if placed else y)
    # Half a line below the edge: a name that stands out there meets the title.
    limit = ax.get_window_extent().y0 + height - gap / 2
    if placed and placed[-1] > limit:  # push the stack down from the top
        for i in reversed(range(len(placed))):
            placed[i] = min(placed[i], limit)
            limit = placed[i] - gap
    for y, (_, name, colour) in zip(placed, wanted, strict=True):
        ax.annotate(
            name,
            (right, to_data.transform((0, y))[1]),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            annotation_clip=False,
        )


def intervals(data: pd.DataFrame, by: Sequence[str], y: str) -> pd.DataFrame:
    """Summarise one row a seed as mean, low and high; pass on what is summarised already.

    Parameters
    ----------
    data : DataFrame
        Columns `by` and either `y` (one row a seed), or the summary ``mean``, ``low``, ``high``
        (the mean may also bear the name `y`).
    by : sequence of str
        What tells the points apart, for example ``["method", "labels"]``.
    y : str
        The score.

    Returns
    -------
    DataFrame
        Columns `by`, ``mean``, ``low``, ``high`` and ``n`` in the order of first appearance. A
        point with one seed has no interval (NaN).

    Raises
    ------
    ValueError
        If a column is missing.
    """
    from tlhelpers.metrics import mean_interval

    mean = y if y in data else "mean"
    missing = [column for column in (*by, mean) if column not in data]
    if missing:
        raise ValueError(f"the data have no column {missing}; they have {list(data.columns)}")
    if {"low", "high"} <= set(data.columns):
        kept = data.assign(n=data.get("n", np.nan)).rename(columns={mean: "mean"})
        return kept[[*by, "mean", "low", "high", "n"]]
    rows = []
    for key, group in data.groupby(list(by), sort=False):
        values = group[mean].dropna().to_numpy(dtype=float)
        if len(values) >= 2:
            interval = mean_interval(values)
            row = (interval.mean, interval.low, interval.high, interval.n)
        else:
            row = (float(values.mean()) if len(values) else np.nan, np.nan, np.nan, len(values))
        rows.append((*key, *row))
    return pd.DataFrame(rows, columns=[*by, "mean", "low", "high", "n"])


def methods(
    summary: pd.DataFrame,
    *,
    live: Mapping[str, float] | pd.Series | None = None,
    x: str = "accuracy",
    by: str = "method",
    title: str = "Methods compared",
) -> Picture:
    """Draw one dot with its interval for each method, and this run's score over it.

    Parameters
    ----------
    summary : DataFrame
        Columns `by` and `x`, one row a seed; or ``mean``, ``low`` and ``high`` already.
    live : mapping of method to score, optional
        What the page just measured: drawn as a diamond beside the recorded dot.
    x : str
        The score; accuracies and the like (0 to 1) are drawn in per cent.
    by : str
        The column with the method's name.
    title : str
        What is compared.

    Returns
    -------
    Picture
        The methods from top to bottom in the order of their mean.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    points = intervals(summary, [by], x).sort_values("mean", ignore_index=True)
    live = dict(live) if live is not None else {}
    extra = [name for name in live if name not in set(points[by])]
    points = pd.concat([points, pd.DataFrame({by: extra})], ignore_index=True) if extra else points
    percent = _percent(x, [*points["mean"], *live.values()])
    figure, ax = axes(title, _label(x, percent), "", height=1.5 + 0.5 * len(points), grid="x")
    ax.set_ylabel(by)
    said = []
    for row, point in enumerate(points.to_dict("records")):
        name, words = point[by], []
        if np.isfinite(point["mean"]):
            if np.isfinite(point["low"]):
                ax.plot(
                    [point["low"], point["high"]], [row, row], color=COLOURS[0], lw=3, alpha=0.6
                )
                span = f" ({_number(point['low'], percent)} to {_number(point['high'], percent)})"
            else:
                span = ""
            ax.plot(point["mean"], row, "o", color=COLOURS[0], ms=8)
            words.append(f"recorded {_number(point['mean'], percent)}{span}")
        if name in live:
            ax.plot(live[name], row, "D", mfc="none", mec=COLOURS[1], mew=2, ms=9)
            words.append(f"this run {_number(float(live[name]), percent)}")
        said.append(f"{name}: {', '.join(words)}")
    ax.set_yticks(range(len(points)), points[by])
    ax.set_ylim(-0.6, len(points) - 0.4)
    _show_intervals(ax, "x", percent, points)
    if percent:
        ax.xaxis.set_major_formatter(ticker.PercentFormatter(1, symbol="", decimals=0))
    ax.plot([], [], "o-", color=COLOURS[0], ms=8, lw=3, label="recorded, 95 % interval")
    if live:
        ax.plot([], [], "D", mfc="none", mec=COLOURS[1], mew=2, ms=9, label="this run")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, handletextpad=0.5)
    return Picture(figure, f"{title}; {_label(x, False)}. {'; '.join(reversed(said))}.")


def groups(
    summary: pd.DataFrame,
    *,
    by: str,
    series: str,
    x: str = "accuracy",
    live: Mapping[str, float] | None = None,
    title: str = "Groups compared",
) -> Picture:
    """Draw a row for each group and in it a marker with its interval for each series.

    Parameters
    ----------
    summary : DataFrame
        Columns `by`, `series` and `x`, one row a seed; or ``mean``, ``low`` and ``high`` already.
    by, series : str
        The columns that name the rows and the markers, for example ``"language"`` and
        ``"method"``. Six series at most.
    x : str
        The score; accuracies and the like (0 to 1) are drawn in per cent.
    live : mapping of group to score, optional
        What the page just measured: drawn as a diamond.
    title : str
        What is compared.

    Returns
    -------
    Picture
        The groups from top to bottom by the mean of the series that comes first.

    Raises
    ------
    ValueError
        If a column is missing or there are more than six series.
    """
    points = intervals(summary, [by, series], x)
    names = list(dict.fromkeys(points[series]))
    if len(names) > len(MARKERS):
        raise ValueError(f"{len(names)} series ({names}) are too many to tell apart: six at most")
    first = points[points[series] == names[0]].sort_values("mean")
    rows = [*dict.fromkeys([*first[by], *points[by]])]
    live = dict(live or {})
    percent = _percent(x, [*points["mean"], *live.values()])
    inches = 1.7 + 0.32 * len(rows) + 0.25 * ((len(names) + bool(live)) // 2)
    figure, ax = axes(title, _label(x, percent), "", height=inches, grid="both")
    ax.set_ylabel(by)
    said: dict[str, list[str]] = {row: [] for row in rows}
    for i, name in enumerate(names):
        colour, marker = COLOURS[i], MARKERS[i]
        for point in points[points[series] == name].to_dict("records"):
            height = rows.index(point[by])
            if np.isfinite(point["low"]):
                ends = [point["low"], point["high"]]
                ax.plot(ends, [height, height], "-", color=colour, lw=3, alpha=0.5)
            ax.plot(point["mean"], height, marker, color=colour, ms=7)
            said[point[by]].append(f"{name} {_number(point['mean'], percent)}")
        ax.plot([], [], marker, color=colour, ms=7, ls="-", lw=3, label=name)
    for group, score in live.items():
        ax.plot(score, rows.index(group), "D", mfc="none", mec=COLOURS[-1], mew=2, ms=10)
        said[group].append(f"this run {_number(float(score), percent)}")
    if live:
        ax.plot([], [], "D", mfc="none", mec=COLOURS[-1], mew=2, ms=10, ls="", label="this run")
    ax.set_yticks(range(len(rows)), rows)
    ax.set_ylim(-0.6, len(rows) - 0.4)
    _show_intervals(ax, "x", percent, points)
    if percent:
        ax.xaxis.set_major_formatter(ticker.PercentFormatter(1, symbol="", decimals=0))
    figure.legend(loc="outside lower center", ncols=2, frameon=False, handletextpad=0.5)
    words = "; ".join(f"{row}: {', '.join(said[row])}" for row in reversed(rows))
    return Picture(figure, f"{title}; {_label(x, False)}. {words}. Bars: 95 % intervals.")


def learning_curves(
    summary: pd.DataFrame,
    *,
    x: str = "labels",
    y: str = "accuracy",
    by: str = "method",
    live: pd.DataFrame | None = None,
    log: bool | None = None,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
) -> Picture:
    """Draw one line with its interval band for each method.

    Parameters
    ----------
    summary : DataFrame
        Columns `by`, `x` and `y`, one row a seed; or ``mean``, ``low`` and ``high`` already.
    x, y, by : str
        Columns of the two axes, and what tells the lines apart.
    live : DataFrame, optional
        Columns `by`, `x`, `y`: what the page just measured, drawn as open diamonds.
    log : bool, optional
        Whether x is logarithmic; by default where it spans a factor of 8 or more.
    xlabel, ylabel : str, optional
        Words for the axes, with units; by default the column names.
    title : str, optional
        What is compared.

    Returns
    -------
    Picture
        The curves, named at their right ends.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    points = intervals(summary, [by, x], y)
    percent = _percent(y, points["mean"])
    title = title or f"{y.replace('_', ' ').capitalize()} by {x.replace('_', ' ')}"
    figure, ax = axes(
        title, xlabel or x.replace("_", " "), ylabel or _label(y, percent), height=3.8
    )
    positions = np.unique(points[x].to_numpy(dtype=float))
    if log if log is not None else positions.min() > 0 and positions.max() >= 8 * positions.min():
        ax.set_xscale("log")
        _tick_where_measured(ax, positions)
    tips, said = [], []
    for i, (name, line) in enumerate(points.groupby(by, sort=False)):
        line = line.sort_values(x)
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        ax.fill_between(line[x], line["low"], line["high"], color=colour, alpha=0.2, lw=0)
        ax.plot(line[x], line["mean"], marker=marker, ls=DASHES[i % len(DASHES)], color=colour)
        if live is not None:
            run = live[live[by] == name]
            ax.plot(run[x], run[y], "D", mfc="none", mec=colour, mew=2, ms=10)
        tips.append((float(line["mean"].iloc[-1]), str(name), colour))
        first, last = (
            f"{_number(float(line['mean'].iloc[k]), percent)} at {line[x].iloc[k]:,g}"
            for k in (0, -1)
        )
        said.append(f"{name}: {first}, {last}")
    _show_intervals(ax, "y", percent, points)
    if percent:
        ax.yaxis.set_major_formatter(ticker.PercentFormatter(1, symbol="", decimals=0))
    _name_line_ends(ax, float(positions.max()), tips)
    runs = " Open diamonds: this run." if live is not None else ""
    return Picture(figure, f"{title}. {'; '.join(said)}. Bands: 95 % intervals.{runs}")


def _tick_where_measured(ax: Axes, positions: np.ndarray) -> None:
    span = np.log10(positions.max() / positions.min())
    kept = [positions[0]]
    for position in positions[1:]:
        if np.log10(position / kept[-1]) > span / 6.5:  # nearer ones would run into each other
            kept.append(position)
    ax.set_xticks(kept, [f"{position:,g}" for position in kept])
    ax.xaxis.set_minor_locator(ticker.NullLocator())


def heatmap(
    table: pd.DataFrame,
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    alt: str = "",
    form: str = "{:.2f}",
    scale: float | None = None,
) -> Picture:
    """Draw a small table of numbers as shaded cells, with each number written in its cell.

    Parameters
    ----------
    table : DataFrame of shape (rows, columns)
        The numbers; positive ones are shaded blue, negative ones orange.
    title, xlabel, ylabel : str
        What the figure shows, with units.
    alt : str, optional
        The text alternative; by default it names the largest and the smallest cell.
    form : str
        Format of the numbers, for example ``"{:.0f}"``; empty for none.
    scale : float, optional
        The number that gets the full shade; by default the largest.

    Returns
    -------
    Picture
        The shaded table.
    """
    values = table.to_numpy(dtype=float)
    rows, columns = values.shape
    full = scale or float(np.nanmax(np.abs(values))) or 1.0
    figure, ax = axes(title, xlabel, ylabel, height=1.4 + 0.42 * rows, grid="")
    for row in range(rows):
        for column in range(columns):
            value = values[row, column]
            if not np.isfinite(value):
                continue
            # Transparency, not lightness, carries the number: it works on any page, and at 0.5 at
            # most the ink in the cell stays readable.
            shade = 0.5 * min(abs(value) / full, 1.0)
            corner = (column - 0.5, row - 0.5)
            colour = COLOURS[0] if value >= 0 else COLOURS[1]
            ax.add_patch(Rectangle(corner, 1, 1, color=colour, alpha=shade, lw=0))
            if form:
                ax.text(column, row, form.format(value), ha="center", va="center", color=INK[0])
    ax.set_xlim(-0.5, columns - 0.5)
    ax.set_ylim(rows - 0.5, -0.5)
    long = max(len(str(name)) for name in table.columns) * columns > 40
    turn: dict[str, Any] = {"rotation": 45, "ha": "right"} if long else {}
    ax.set_xticks(range(columns), [str(name) for name in table.columns], **turn)
    ax.set_yticks(range(rows), [str(name) for name in table.index])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return Picture(figure, alt or f"{title}. {_extremes(table, xlabel, ylabel, form or '{:.3g}')}")


def score_map(
    summary: pd.DataFrame, *, rows: Sequence[str], columns: str, title: str, ylabel: str
) -> Picture:
    """Draw the means of a summary as a heat map, shares in per cent.

    Parameters
    ----------
    summary : DataFrame
        As :meth:`Recorded.summary` gives it: the columns named here, and ``mean``.
    rows : sequence of str
        Columns whose values together name a row, in the order of their first appearance.
    columns : str
        The column whose values stand along the x axis.
    title, ylabel : str
        What the figure shows, and what a row is.

    Returns
    -------
    Picture
        The heat map.
    """
    names = summary[list(rows)].astype(str).agg(", ".join, axis=1)
    table = summary.assign(row=names).pivot(index="row", columns=columns, values="mean")
    table = table.loc[names.unique()].rename(columns=lambda name: f"{name:g}")
    return heatmap(100 * table, title=title, xlabel=columns, ylabel=ylabel, form="{:.0f}")


def _extremes(table: pd.DataFrame, xlabel: str, ylabel: str, form: str) -> str:
    values = table.to_numpy(dtype=float)
    said = []
    for word, at in (("largest", np.nanargmax(values)), ("smallest", np.nanargmin(values))):
        row, column = np.unravel_index(at, values.shape)
        where = f"{ylabel} {table.index[row]}, {xlabel} {table.columns[column]}"
        said.append(f"{word}: {form.format(values[row, column])} at {where}")
    return "; ".join(said).capitalize() + "."


def confusion(
    labels: ArrayLike,
    predictions: ArrayLike,
    label_names: Sequence[str],
    *,
    title: str = "What is taken for what",
) -> Picture:
    """Draw how often each true class was given each predicted class.

    Parameters
    ----------
    labels : array of shape (N,)
        True class numbers.
    predictions : array of shape (N,) or (N, C)
        Predicted class numbers, or logits.
    label_names : sequence of str, C long
        Names of the classes 0, 1, ...
    title : str
        What was classified.

    Returns
    -------
    Picture
        A shaded table of counts; the text alternative holds every row.

    Raises
    ------
    ValueError
        If the two differ in length.
    """
    truth, predicted = np.asarray(labels), np.asarray(predictions)
    predicted = predicted.argmax(axis=-1) if predicted.ndim == 2 else predicted
    if truth.shape != predicted.shape:
        raise ValueError(f"{len(truth)} labels and {len(predicted)} predictions: give one of each")
    counts = np.zeros((len(label_names), len(label_names)), dtype=int)
    np.add.at(counts, (truth, predicted), 1)
    frame = pd.DataFrame(counts, index=list(label_names), columns=list(label_names))
    said = "; ".join(
        f"true {name}: "
        + ", ".join(f"{frame.loc[name, other]} as {other}" for other in label_names)
        for name in label_names
    )
    return heatmap(
        frame,
        title=title,
        xlabel="predicted class (counts)",
        ylabel="true class",
        alt=f"{title}; counts of examples. {said}.",
        form="{:.0f}",
    )
