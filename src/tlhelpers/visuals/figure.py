"""A figure as the page shows it: an inline SVG with a text alternative, light or dark.

Its colours are CSS variables, so that one drawing is readable on a light and on a dark page, stays
sharp on a phone, and keeps its words as words. A figure that lacks a title or an axis label is
refused.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from html import escape
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from tlhelpers.visuals.html import GRID, INK, PALETTE, Html

WIDTH = 5.4  # inches, which is 389 points
# Points in a figure of this width. A page draws none narrower than a pixel a point, phones included
# (book/_static/book.css), so no word is under 11 pixels high.
SMALLEST = 11
COLOURS = [light for light, _ in PALETTE.values()]
MARKERS = ["o", "s", "^", "D", "v", "P"]
DASHES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1))]
LARGE = 200_000  # bytes of SVG

_STYLE: Any = {
    "font.size": SMALLEST,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.edgecolor": INK[0],
    "axes.labelcolor": INK[0],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID[0],
    "text.color": INK[0],
    "xtick.color": INK[0],
    "ytick.color": INK[0],
    "lines.linewidth": 2,
    "svg.fonttype": "none",
    "svg.hashsalt": "tlhelpers",
}

# matplotlib's own cycle, for figures that a reader draws with plain pyplot.
_TAB10 = ["#1f77b4", "#ff7f0e", "#2ca02c", "#e377c2", "#bcbd22", "#7f7f7f"]


class Picture(Html):
    """A figure with its text alternative.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The drawing.
    alt : str
        What it shows, for a reader who does not see it.
    """

    def __init__(self, figure: Figure, alt: str) -> None:
        """Draw the figure now: later changes to it are not seen."""
        self.figure = figure
        self.alt = " ".join(alt.split())
        super().__init__(_svg(figure, self.alt), f"[Figure: {self.alt}]")


def axes(
    title: str,
    xlabel: str,
    ylabel: str,
    *,
    rows: int = 1,
    height: float | None = None,
    grid: str = "y",
) -> tuple[Figure, Any]:
    """Start a figure in the book's style.

    Parameters
    ----------
    title, xlabel, ylabel : str
        What the figure shows, and its axes with their units.
    rows : int
        Panels above each other that share the x axis.
    height : float, optional
        Inches; the width is always 5.4.
    grid : str
        ``"x"``, ``"y"``, ``"both"`` or ``""``.

    Returns
    -------
    (Figure, Axes or array of Axes)
        The figure, unknown to pyplot: it is shown only by `tl.show` or as a `Picture`.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH, height or 1.2 + 2.2 * rows), layout="constrained")
        panels = figure.subplots(rows, 1, sharex=True)
        for ax in np.atleast_1d(panels):
            ax.set_ylabel(ylabel)
            if grid:
                ax.grid(axis=grid, linewidth=0.8)
        np.atleast_1d(panels)[-1].set_xlabel(xlabel)
        np.atleast_1d(panels)[0].set_title(title, wrap=True)
    return figure, panels


def widen(ax: Axes, axis: Literal["x", "y"], interval: float) -> None:
    """Let an axis show no less than the interval of its points.

    An axis that fits itself to points which differ by less than their interval makes chance fill
    the figure. It starts, and ends, further out instead.

    Parameters
    ----------
    ax : Axes
        With everything drawn that belongs to it.
    axis : str
        ``"x"`` or ``"y"``, the one of the scores.
    interval : float
        Width of the widest interval, in the units of the axis. Where it is wider than the axis, the
        axis is widened on both sides; that of shares (0 to 1) not beyond them.
    """
    low, high = ax.get_xlim() if axis == "x" else ax.get_ylim()
    lacking = interval - (high - low)
    if not lacking > 0:
        return
    share = low >= 0 and high <= 1
    low, high = low - lacking / 2, high + lacking / 2
    if share:
        shift = max(0.0, -low) - max(0.0, high - 1)
        low, high = low + shift, high + shift
    ax.set(**{f"{axis}lim": (low, high)})


def _enlarge_words(figure: Figure) -> None:
    """Bring what was written outside of the style, a legend for example, to a size one can read."""
    least = SMALLEST * figure.get_figwidth() / WIDTH
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            sizes = [label.get_fontsize() for label in axis.get_ticklabels()]
            axis.set_tick_params(labelsize=max([least, *sizes]))
    for text in figure.findobj(Text):
        text.set_fontsize(max(least, text.get_fontsize()))


def show(thing: Any, alt: str | None = None) -> None:  # noqa: ANN401 -- anything that can be displayed
    """Show a figure with its text alternative, here and now.

    Parameters
    ----------
    thing : matplotlib Figure or Axes, Picture, or anything with a rich form
        What to show.
    alt : str, optional
        What the figure shows; required for a matplotlib figure.

    Raises
    ------
    ValueError
        If a matplotlib figure comes without `alt`, or lacks its title or an axis label.
    """
    from IPython.display import display

    display(as_html(thing, alt))


def as_html(thing: Any, alt: str | None = None) -> Any:  # noqa: ANN401
    """Turn a matplotlib figure into a `Picture`; leave anything else as it is."""
    if isinstance(thing, Axes):
        thing = thing.get_figure(root=True)
    if not isinstance(thing, Figure):
        return thing
    if not alt:
        raise ValueError("a figure needs alt=...: one or two sentences that say what it shows")
    if hasattr(thing, "number"):  # pyplot made it
        from matplotlib import pyplot

        pyplot.close(thing)  # or the notebook would show it a second time, as a bare image
    return Picture(thing, alt)


def _svg(figure: Figure, alt: str) -> str:
    _check_words(figure)
    _enlarge_words(figure)
    buffer = io.StringIO()
    no_date = {"Date": None, "Creator": None}  # two runs give the same bytes
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "tlhelpers"}):
        # A figure that a reader lays out by hand may reach past its edge; ours fit by construction.
        box = None if figure.get_layout_engine() else "tight"
        figure.savefig(buffer, format="svg", transparent=True, metadata=no_date, bbox_inches=box)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", svg, flags=re.S)
    svg = re.sub(r"<[^>]*>", _with_short_numbers, svg)  # a word such as 0.001 stays as it is
    svg = re.sub(r">\s+<", "><", svg)
    svg = re.sub(r"\s*\n\s*", " ", svg)
    svg = _own_names(svg)
    svg = _themed(svg)
    view = re.search(r'viewBox="[^"]*"', svg)
    assert view is not None
    opening = f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" {view[0]} role="img" '
    svg = re.sub(r"<svg[^>]*>", lambda _: f'{opening}aria-label="{escape(alt)}">', svg, count=1)
    if len(svg) > LARGE:
        warnings.warn(
            f"this figure takes {len(svg) / 1000:.0f} kB: draw fewer points, or pass "
            "rasterized=True to the call that draws the many",
            stacklevel=4,
        )
    return svg


def _with_short_numbers(tag: re.Match[str]) -> str:
    return re.sub(r"(\d+\.\d{2})\d+", r"\1", tag[0])


def _check_words(figure: Figure) -> None:
    missing = []
    drawn = [ax for ax in figure.axes if ax.get_visible() and ax.axison]
    titles = [ax.get_title(loc) for ax in figure.axes for loc in ("left", "center", "right")]
    if not any(titles) and not figure.get_suptitle():
        missing.append("a title")
    for ax in drawn:
        shared_below = ax.get_shared_x_axes().get_siblings(ax)
        if not any(sibling.get_xlabel() for sibling in shared_below):
            missing.append("an x label")
        if not any(sibling.get_ylabel() for sibling in ax.get_shared_y_axes().get_siblings(ax)):
            missing.append("a y label")
    if missing:
        raise ValueError(f"the figure lacks {', '.join(missing)}: a reader cannot tell what it is")


def _own_names(svg: str) -> str:
    """Keep only the ids that something refers to, and make them differ between figures."""
    used = set(re.findall(r'(?:xlink:)?href="#([^"]+)"|url\(#([^)]+)\)', svg))
    names = {first or second for first, second in used}
    mine = hashlib.sha256(svg.encode()).hexdigest()[:8]

    def rename(match: re.Match[str]) -> str:
        return f' id="t{mine}{match[1]}"' if match[1] in names else ""

    svg = re.sub(r'\s+id="([^"]*)"', rename, svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#t{mine}\1"', svg)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#t{mine}\1)", svg)


def _themed(svg: str) -> str:
    variables = {light: f"var(--tl-{name})" for name, (light, _) in PALETTE.items()}
    variables |= {tab: f"var(--tl-{name})" for tab, name in zip(_TAB10, PALETTE, strict=True)}
    variables |= {INK[0]: "var(--tl-ink)", "#000000": "var(--tl-ink)", GRID[0]: "var(--tl-grid)"}
    return re.sub(r"#[0-9a-f]{6}\b", lambda m: variables.get(m[0], m[0]), svg)
