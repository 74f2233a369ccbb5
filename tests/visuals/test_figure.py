"""Figures: words, text alternatives, and what stays out of the SVG."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from tlhelpers.visuals import figure as figures
from tlhelpers.visuals.html import PALETTE


def test_series_differ_in_more_than_colour():
    assert len(set(figures.MARKERS)) == len(figures.COLOURS) == len(PALETTE)
    assert len({str(dash) for dash in figures.DASHES}) == len(PALETTE)


def bare_figure():
    figure = Figure()
    figure.subplots().plot([1, 2])
    return figure


def test_bare_figure_needs_its_alternative():
    with pytest.raises(ValueError, match="needs alt="):
        figures.as_html(bare_figure())


def test_bare_figure_needs_title_and_labels():
    with pytest.raises(ValueError, match="lacks a title, an x label, a y label"):
        figures.Picture(bare_figure(), "a line")


def test_show_displays_the_alternative(capsys):
    figure, ax = figures.axes("A line", "step", "loss (nats)")
    ax.plot([2, 1])
    figures.show(figure, alt="The loss halves.")
    assert capsys.readouterr().out.strip() == "[Figure: The loss halves.]"


def test_pyplot_figure_is_closed_so_that_it_is_shown_once():
    from matplotlib import pyplot

    figure, ax = pyplot.subplots()
    ax.set(title="t", xlabel="x", ylabel="y")
    figures.as_html(figure, "nothing")
    assert not pyplot.fignum_exists(figure.number)


def test_numbers_are_shortened_where_they_place_something_and_not_where_they_are_read():
    figure, ax = figures.axes("At 0.0001", "rate", "loss")
    ax.plot([0.123456, 0.234567], [1.345678, 2.456789])
    svg = figures.as_html(figure, alt="A line.")._repr_html_()
    assert "At 0.0001" in svg
    assert not re.search(r"\d\.\d{3}", " ".join(re.findall(r"<[^>]*>", svg)))


def test_alternative_cannot_break_out_of_its_attribute():
    figure, _ = figures.axes('A "title"', "x", "y")
    svg = figures.Picture(figure, 'says "<b>"').body
    assert ElementTree.fromstring(svg).get("aria-label") == 'says "<b>"'


def test_too_heavy_a_figure_warns_with_what_to_do():
    figure, ax = figures.axes("Many", "x", "y")
    ax.scatter(*np.random.default_rng(0).normal(size=(2, 4000)))
    with pytest.warns(UserWarning, match="rasterized=True"):
        figures.Picture(figure, "many points")


def sizes(svg):
    """Every font size in a drawing, in points, and in pixels where it is a pixel a point."""
    return {float(size) for size in re.findall(r"font(?:-size)?: ?[^;\"]*?([\d.]+)px", svg)}


def test_no_word_is_under_eleven_pixels_on_a_phone():
    figure, ax = figures.axes("Small words", "step", "loss")
    ax.plot([1, 2], label="a line")
    ax.annotate("beside it", (1, 2), fontsize=7)
    figure.legend(loc="outside lower center", fontsize=8)
    drawn = sizes(figures.Picture(figure, "two points").body)
    assert drawn and min(drawn) >= 11


def test_words_of_a_wider_figure_shrink_with_it_and_are_larger():
    figure = Figure(figsize=(10.8, 5), layout="constrained")
    figure.subplots().set(title="t", xlabel="x", ylabel="y")
    drawn = sizes(figures.Picture(figure, "nothing").body)
    assert drawn and min(drawn) >= 22


def limits(low, high, interval, axis="y"):
    _, ax = figures.axes("Scores", "x", "y")
    ax.set(**{f"{axis}lim": (low, high)})
    figures.widen(ax, axis, interval)
    return ax.get_xlim() if axis == "x" else ax.get_ylim()


@pytest.mark.parametrize("axis", ["x", "y"])
def test_an_axis_narrower_than_the_interval_of_its_points_starts_elsewhere(axis):
    assert limits(0.80, 0.81, 0.05, axis) == pytest.approx((0.78, 0.83))
    assert limits(3.0, 3.1, 0.5, axis) == pytest.approx((2.8, 3.3))


def test_an_axis_of_shares_does_not_leave_them():
    assert limits(0.99, 1.0, 0.05) == pytest.approx((0.95, 1.0))
    assert limits(0.0, 0.01, 0.05) == pytest.approx((0.0, 0.05))


def test_an_axis_that_shows_the_interval_stays():
    assert limits(0.5, 0.9, 0.05) == (0.5, 0.9)
    assert limits(0.5, 0.9, float("nan")) == (0.5, 0.9)
