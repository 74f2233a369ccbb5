"""Figures and tables: words, text alternatives, contrast, and what stays out of the HTML."""

import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tlhelpers.visuals import plots
from tlhelpers.visuals.tables import INK, PALETTE, Html, highlight, show_mistakes, table

DARK_PAGES = {"Jupyter Book": "#14181e", "JupyterLab": "#111111", "Colab": "#383838"}

HISTORY = pd.DataFrame(
    {
        "epoch": [1, 2, 3],
        "train_loss": [0.6, 0.4, 0.2],
        "validation_loss": [0.5, 0.4, 0.45],
        "validation_accuracy": [0.7, 0.8, 0.81],
        "seconds": [3.0, 3.1, 3.0],
    }
)
SEEDS = pd.DataFrame(
    [
        {"method": method, "labels": labels, "seed": seed, "accuracy": base + gain + seed / 100}
        for method, base in (("TF-IDF", 0.5), ("full", 0.7))
        for labels, gain in ((50, 0.0), (500, 0.05), (2000, 0.1))
        for seed in range(3)
    ]
)


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


def test_series_differ_in_more_than_colour():
    assert len(set(plots.MARKERS)) == len(plots.COLOURS) == len(PALETTE)
    assert len({str(dash) for dash in plots.DASHES}) == len(PALETTE)


SHARES = SEEDS.pivot_table("accuracy", "method", "labels")
PICTURES = {
    "history": lambda: plots.history(HISTORY, best=2),
    "methods": lambda: plots.methods(SEEDS[SEEDS.labels == 2000], live={"full": 0.84}),
    "learning_curves": lambda: plots.learning_curves(SEEDS),
    "confusion": lambda: plots.confusion([0, 1, 1], [0, 1, 0], ["bad", "good"]),
    "heatmap": lambda: plots.heatmap(SHARES, title="t", xlabel="labels", ylabel="method"),
}


@pytest.fixture(params=PICTURES)
def picture(request):
    return PICTURES[request.param]()


def test_picture_is_small_wellformed_svg_with_its_alternative(picture):
    root = ElementTree.fromstring(picture.body)
    assert root.get("role") == "img"
    assert root.get("aria-label") == picture.alt
    assert len(picture.alt) > 20
    assert len(picture.body) < 60_000
    assert repr(picture) == f"[Figure: {picture.alt}]"
    assert root.get("width") is None, "a fixed width would be cut on a phone"


def test_every_colour_of_a_picture_follows_the_theme(picture):
    assert not re.findall(r"#[0-9a-fA-F]{6}\b", picture.body)
    assert "var(--tl-ink)" in picture.body


def test_same_data_give_the_same_bytes():
    assert plots.history(HISTORY).body == plots.history(HISTORY).body


def test_two_pictures_on_a_page_share_no_id():
    one, other = plots.history(HISTORY), plots.learning_curves(SEEDS)
    ids = [set(re.findall(r' id="([^"]+)"', picture.body)) for picture in (one, other)]
    assert ids[0] and ids[1]
    assert not ids[0] & ids[1]
    for picture, names in zip((one, other), ids, strict=True):
        assert set(re.findall(r'href="#([^"]+)"', picture.body)) <= names


def test_history_says_where_each_curve_ends_and_leaves_seconds_out():
    alt = plots.history(HISTORY, best=2).alt
    assert "train loss goes from 0.6 to 0.2" in alt
    assert "validation accuracy goes from 70.0% to 81.0%" in alt
    assert "epoch 2 is kept" in alt
    assert "seconds" not in alt


def test_history_draws_only_the_scores_asked_for():
    both = HISTORY.assign(validation_f1=[0.6, 0.7, 0.8])
    alt = plots.history(both, scores=["validation_f1"]).alt
    assert "validation f1 goes from 60.0% to 80.0%" in alt
    assert "accuracy" not in alt


def test_history_without_a_loss_or_score_says_what_it_got():
    with pytest.raises(ValueError, match=r"no column with a loss or a score.*seconds"):
        plots.history(pd.DataFrame({"epoch": [1, 2], "seconds": [1.0, 2.0]}))


def test_methods_tells_recorded_from_live():
    alt = plots.methods(SEEDS[SEEDS.labels == 2000], live={"full": 0.84, "new": 0.5}).alt
    assert "TF-IDF: recorded 61.0%" in alt
    assert "this run 84.0%" in alt
    assert "new: this run 50.0%" in alt


def test_groups_name_every_row_and_series():
    rows = [
        {
            "language": language,
            "method": method,
            "accuracy": 0.5 + 0.1 * seed + 0.2 * (method == "b"),
        }
        for language in ("Hindi", "Greek")
        for method in ("a", "b")
        for seed in range(2)
    ]
    picture = plots.groups(
        pd.DataFrame(rows), by="language", series="method", live={"Hindi": 0.51}, title="Two"
    )
    assert "Hindi: a 55.0%, b 75.0%, this run 51.0%" in picture.alt
    assert "Greek: a 55.0%, b 75.0%" in picture.alt


def test_groups_with_more_series_than_markers_are_refused():
    data = pd.DataFrame({"by": ["x"] * 7, "method": list("abcdefg"), "accuracy": [0.5] * 7})
    with pytest.raises(ValueError, match="six at most"):
        plots.groups(data, by="by", series="method")


def test_intervals_are_the_t_intervals_over_seeds():
    from tlhelpers.metrics import mean_interval

    got = plots.intervals(SEEDS, ["method", "labels"], "accuracy").iloc[0]
    expected = mean_interval([0.5, 0.51, 0.52])
    assert (got["mean"], got["low"], got["high"]) == pytest.approx(expected[:3])
    assert got["n"] == 3


def test_intervals_of_a_summary_are_passed_on():
    row = {"method": "a", "mean": 0.5, "low": 0.4, "high": 0.6}
    got = plots.intervals(pd.DataFrame([row]), ["method"], "accuracy").iloc[0]
    assert (got["mean"], got["low"], got["high"]) == (0.5, 0.4, 0.6)


def test_one_seed_has_no_interval():
    got = plots.intervals(SEEDS[SEEDS.seed == 0], ["method", "labels"], "accuracy")
    assert got["low"].isna().all()
    assert "to nan" not in plots.methods(SEEDS.query("seed == 0 and labels == 50")).alt


def test_missing_column_is_named():
    with pytest.raises(ValueError, match=r"no column \['mean'\]"):
        plots.methods(SEEDS, x="macro_f1")


def test_confusion_counts_rows_as_truth():
    assert "true bad: 0 as bad, 2 as good" in plots.confusion([0, 0], [1, 1], ["bad", "good"]).alt


def test_confusion_reads_logits():
    logits = np.array([[0.1, 0.9], [0.8, 0.2]])
    assert "true good: 0 as bad, 1 as good" in plots.confusion([1, 0], logits, ["bad", "good"]).alt


def bare_figure():
    figure = Figure()
    figure.subplots().plot([1, 2])
    return figure


def test_bare_figure_needs_its_alternative():
    with pytest.raises(ValueError, match="needs alt="):
        plots.as_html(bare_figure())


def test_bare_figure_needs_title_and_labels():
    with pytest.raises(ValueError, match="lacks a title, an x label, a y label"):
        plots.Picture(bare_figure(), "a line")


def test_show_displays_the_alternative(capsys):
    figure, ax = plots.axes("A line", "step", "loss (nats)")
    ax.plot([2, 1])
    plots.show(figure, alt="The loss halves.")
    assert capsys.readouterr().out.strip() == "[Figure: The loss halves.]"


def test_pyplot_figure_is_closed_so_that_it_is_shown_once():
    from matplotlib import pyplot

    figure, ax = pyplot.subplots()
    ax.set(title="t", xlabel="x", ylabel="y")
    plots.as_html(figure, "nothing")
    assert not pyplot.fignum_exists(figure.number)


def test_alternative_cannot_break_out_of_its_attribute():
    figure, _ = plots.axes('A "title"', "x", "y")
    svg = plots.Picture(figure, 'says "<b>"').body
    assert ElementTree.fromstring(svg).get("aria-label") == 'says "<b>"'


def test_too_heavy_a_figure_warns_with_what_to_do():
    figure, ax = plots.axes("Many", "x", "y")
    ax.scatter(*np.random.default_rng(0).normal(size=(2, 4000)))
    with pytest.warns(UserWarning, match="rasterized=True"):
        plots.Picture(figure, "many points")


def test_table_escapes_what_its_cells_hold():
    shown = table(pd.DataFrame({"<script>": ["<img onerror=x>"]}), caption="<b>")
    assert "<script>" not in shown.body
    assert "<img" not in shown.body
    assert "&lt;b&gt;" in shown.body


def test_table_lets_arabic_and_hebrew_run_from_the_right():
    body = table(pd.DataFrame({"text": ["كم الساعة؟", "מה השעה?", "What time is it?"]})).body
    assert body.count('dir="rtl"') == 2


def test_table_shows_numbers_readably():
    frame = pd.DataFrame({"n": [66955010], "share": [0.123456], "none": [np.nan]})
    for word in ("66,955,010", "0.123", "–"):
        assert f">{word}<" in table(frame).body


def test_table_shows_as_many_decimals_as_are_asked_for():
    frame = pd.DataFrame({"mean": [0.1, 1.0], "seeds": [5, 5]})
    for word in ("0.10", "1.00", "5"):
        assert f">{word}<" in table(frame, digits=2).body
    assert "1.00" in repr(table(frame, digits=2))


def test_table_shows_row_names_where_they_mean_something():
    frame = pd.DataFrame({"x": [1]}, index=["base"])
    assert '<th scope="row">base</th>' in table(frame).body
    assert 'scope="row"' not in table(frame.reset_index(drop=True)).body


def test_table_has_a_plain_form():
    assert repr(table(pd.DataFrame({"x": [1]}), caption="One")).split() == ["One", "x", "1"]


def test_long_table_is_refused():
    with pytest.raises(ValueError, match="201 rows"):
        table(pd.DataFrame({"x": range(201)}))


def test_highlight_joins_subwords_and_escapes():
    shown = highlight(["not", "##hing", "<b>"], [-1.0, -0.5, 0.2])
    assert re.search(r">not</mark><mark[^>]*>hing</mark> <mark", shown.body)
    assert "<b>" not in shown.body
    assert repr(shown) == "not(-1.00)hing(-0.50) <b>(+0.20)"


def test_highlight_names_each_kind_once_an_entity():
    shown = highlight(["in", "New", "York", "now"], labels=["O", "B-place", "I-place", "O"])
    assert shown.body.count("place</sub>") == 1
    assert repr(shown) == "in New[place] York now"


@pytest.mark.parametrize("how", [{}, {"scores": [1.0], "labels": ["O"]}, {"scores": [1.0, 2.0]}])
def test_highlight_wants_one_score_or_label_a_token(how):
    with pytest.raises(ValueError, match="scores"):
        highlight(["one"], **how)


def test_mistakes_come_most_confident_first_and_named():
    probabilities = np.array([[0.6, 0.4], [0.1, 0.9], [0.3, 0.7]])
    shown = show_mistakes(["a", "b", "c"], [1, 0, 1], probabilities, label_names=["no", "yes"])
    assert isinstance(shown, Html)
    lines = repr(shown).splitlines()
    assert lines[0] == "2 of 3 wrong; 2 shown, the most confident first"
    assert lines[2].split() == ["b", "no", "yes", "90%"]
    assert lines[3].split() == ["a", "yes", "no", "60%"]


def test_mistakes_can_be_limited_to_one_predicted_class():
    shown = show_mistakes(["a", "b"], [1, 0], [0, 1], label_names=["no", "yes"], taken_for="yes")
    assert repr(shown).splitlines()[0] == "1 of 2 wrongly called yes; 1 shown"
    assert "<td>b</td>" in shown.body
    assert "<td>a</td>" not in shown.body


def test_no_mistakes_is_an_empty_table():
    assert repr(show_mistakes(["a"], [1], [1])).startswith("0 of 1 wrong; 0 shown")


def test_mistakes_of_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="1 texts, 2 labels"):
        show_mistakes(["a"], [0, 1], [0, 1])
