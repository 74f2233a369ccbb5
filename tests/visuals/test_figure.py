"""Figures: words, text alternatives, and what stays out of the SVG."""

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


def test_alternative_cannot_break_out_of_its_attribute():
    figure, _ = figures.axes('A "title"', "x", "y")
    svg = figures.Picture(figure, 'says "<b>"').body
    assert ElementTree.fromstring(svg).get("aria-label") == 'says "<b>"'


def test_too_heavy_a_figure_warns_with_what_to_do():
    figure, ax = figures.axes("Many", "x", "y")
    ax.scatter(*np.random.default_rng(0).normal(size=(2, 4000)))
    with pytest.warns(UserWarning, match="rasterized=True"):
        figures.Picture(figure, "many points")
