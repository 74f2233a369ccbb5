"""Widgets: what a page without a kernel carries, and what a kernel does."""

import json
from html.parser import HTMLParser

import pandas as pd
import pytest

from tlhelpers.visuals import plots, widgets
from tlhelpers.visuals.html import Html


class Elements(HTMLParser):
    """All elements of a fragment with their attributes."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def all(self, tag, **having):
        return [
            a for t, a in self.found if t == tag and all(a.get(k) == v for k, v in having.items())
        ]


@pytest.fixture
def static(monkeypatch):
    monkeypatch.setenv("TL_STATIC", "1")


@pytest.fixture
def live(monkeypatch):
    monkeypatch.delenv("TL_STATIC", raising=False)


def parameters(rank, width=384):
    return f"{2 * rank * width} parameters"


def panels(html):
    return [a for a in Elements(html).all("div") if a.get("class") == "tl-state"]


def test_every_state_is_drawn_beforehand(static):
    shown = widgets.explore(parameters, title="Size", rank=[1, 2, 4], width=[384, 768])
    assert isinstance(shown, Html)
    box = Elements(shown.body).all("div", **{"class": "tl-explore"})[0]
    assert len(json.loads(box["data-states"])) == 6
    for count in (768, 1536, 3072, 6144):
        assert f"{count} parameters" in shown.body


def test_equal_states_are_stored_once(static):
    shown = widgets.explore(parameters, title="Size", rank=[1, 2], width=[384, 768])
    assert len(panels(shown.body)) == 3  # 2 x 384 is 1 x 768


def test_without_javascript_the_first_state_shows_and_no_dead_control(static):
    shown = widgets.explore(parameters, title="Size", rank=[1, 2])
    assert ["hidden" in panel for panel in panels(shown.body)] == [False, True]
    controls = Elements(shown.body).all("div", **{"class": "tl-controls"})
    assert "hidden" in controls[0]
    assert "Shown: rank 1." in shown.body


def test_ordered_numbers_get_a_named_slider(static):
    html = widgets.explore(parameters, title="Size", rank=[1, 2, 1024]).body
    slider = Elements(html).all("input", type="range")[0]
    assert (slider["min"], slider["max"], slider["step"]) == ("0", "2", "1")
    assert slider["aria-label"] == "rank"
    assert json.loads(slider["data-words"]) == ["1", "2", "1,024"]
    assert Elements(html).all("output")


@pytest.mark.parametrize("values", [["b", "a"], [3, 1, 2], [True, False], [4]])
def test_anything_else_gets_a_list(static, values):
    html = widgets.explore(lambda learning_rate: "", title="T", learning_rate=values).body
    assert not Elements(html).all("input")
    assert len(Elements(html).all("option")) == len(values)
    assert "<span>learning rate</span>" in html


def test_nothing_is_fetched_and_nothing_escapes(static):
    html = widgets.explore(lambda x: x, title="<T>", x=["<script>evil()</script>", "b"]).body
    assert "http" not in html
    assert "evil()<" not in html
    assert [a for a in Elements(html).all("script") if a.get("src")] == []
    assert "<T>" not in html


def test_states_may_be_figures_frames_text_or_printed(static):
    def figure(n):
        drawing, ax = plots.axes("Line", "step", "loss (nats)")
        ax.plot(range(n))
        return drawing

    html = widgets.explore(figure, title="T", n=[2, 3], alt="A line of {n} points.").body
    assert 'aria-label="A line of 3 points."' in html
    frame = widgets.explore(lambda n: pd.DataFrame({"x": range(n)}), title="T", n=[1, 2]).body
    assert "<table>" in frame
    printed = widgets.explore(lambda n: print(f"<{n}>"), title="T", n=[1, 2]).body
    assert "<pre>&lt;2&gt;</pre>" in printed
    rich = widgets.explore(lambda n: Html("<b>x</b>", "x"), title="T", n=[1, 2]).body
    assert "<b>x</b>" in rich


def test_each_state_is_computed_once(static):
    asked = []
    widgets.explore(lambda n: asked.append(n), title="T", n=[1, 2, 3])
    assert asked == [1, 2, 3]


def test_plain_form_shows_the_first_state(static):
    shown = widgets.explore(parameters, title="Size", rank=[1, 2])
    assert repr(shown) == "Size (explore: rank 1; 2 states)\n768 parameters"


def test_heavy_states_warn_then_fail_with_what_to_do(static):
    with pytest.warns(UserWarning, match=r"its 4 states take 4\d\d kB"):
        widgets.explore(lambda n: str(n) * 100_000, title="T", n=[1, 2, 3, 4])
    with pytest.raises(ValueError, match="draw fewer points"):
        widgets.explore(lambda n: str(n) * 200_000, title="T", n=[1, 2, 3, 4])


def test_failing_state_is_named(static):
    with pytest.raises(ZeroDivisionError) as caught:
        widgets.explore(lambda n: 1 / n, title="T", n=[1, 0])
    assert caught.value.__notes__ == ["while drawing the state {'n': 0}"]


@pytest.mark.parametrize("settings", [{}, {"n": []}])
def test_nothing_to_play_with_is_an_error(static, settings):
    with pytest.raises(ValueError, match="setting"):
        widgets.explore(lambda **_: "", title="T", **settings)


def test_with_a_kernel_a_state_is_drawn_when_asked_for_and_kept(live):
    asked = []

    def draw(rank, kind):
        asked.append((rank, kind))
        return f"{rank} {kind}"

    box = widgets.explore(draw, title="T", rank=[1, 2], kind=["a", "b"])
    _, slider, choice, view = box.children
    assert type(slider).__name__ == "SelectionSlider"
    assert type(choice).__name__ == "Dropdown"
    assert asked == [(1, "a")]
    slider.value = 1
    assert "2 a" in view.value
    slider.value = 0
    assert asked == [(1, "a"), (2, "a")]


def test_with_a_kernel_an_error_is_shown_to_the_reader(live):
    box = widgets.explore(lambda n: 1 / n, title="T", n=[1, 0])
    box.children[1].value = 1
    assert "ZeroDivisionError" in box.children[-1].value


def test_without_ipywidgets_the_states_are_drawn_beforehand(live, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ipywidgets", None)
    assert isinstance(widgets.explore(parameters, title="Size", rank=[1, 2]), Html)
