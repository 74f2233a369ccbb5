"""Colours of every output: readable as text on a light and on a dark page."""

import numpy as np
import pytest

from tlhelpers.visuals.html import INK, PALETTE

DARK_PAGES = {"Jupyter Book": "#14181e", "JupyterLab": "#111111", "Colab": "#383838"}


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", ["ink", *PALETTE])
def test_every_colour_is_readable_as_text_on_light_and_dark_pages(name):
    light, dark = {"ink": INK, **PALETTE}[name]
    assert contrast(light, "#ffffff") >= 4.5  # WCAG 2.2, text
    assert min(contrast(dark, page) for page in DARK_PAGES.values()) >= 4.5


@pytest.mark.parametrize("side", [0, 1])
def test_ink_stays_readable_on_the_strongest_shade(side):
    page = ["#ffffff", "#111111"][side]
    for pair in PALETTE.values():
        mixed = "#" + "".join(
            f"{round((int(pair[side][i : i + 2], 16) + int(page[i : i + 2], 16)) / 2):02x}"
            for i in (1, 3, 5)
        )
        assert contrast(mixed, INK[side]) >= 4.5
