"""Each kind of plot: its words, its text alternative, its colours and its size."""

import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from tlhelpers.visuals import plots

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


LEVEL = [0.821, 0.823, 0.822]  # a thousand texts tell 82 % from 84 %, and no finer
NEAR = pd.DataFrame(
    [
        {"method": method, "labels": labels, "seed": 0, "accuracy": score + labels / 1e6}
        for method, score in zip("abc", LEVEL, strict=True)
        for labels in (10, 500)
    ]
)
TOO_NARROW = {
    "history": lambda: (plots.history(HISTORY.assign(validation_accuracy=LEVEL)), 1, "y"),
    "methods": lambda: (plots.methods(NEAR[NEAR.labels == 10], live={"a": 0.822}), 0, "x"),
    "groups": lambda: (plots.groups(NEAR, by="labels", series="method"), 0, "x"),
    "learning_curves": lambda: (plots.learning_curves(NEAR), 0, "y"),
}


@pytest.mark.parametrize("kind", TOO_NARROW)
def test_differences_within_what_the_texts_can_tell_do_not_fill_a_figure(kind):
    picture, panel, axis = TOO_NARROW[kind]()
    ax = picture.figure.axes[panel]
    low, high = ax.get_xlim() if axis == "x" else ax.get_ylim()
    assert low < min(LEVEL) and max(LEVEL) < high
    assert high - low > 0.045, "fitted to its points, the axis would end at 82.1 and 82.3 %"


def test_losses_keep_their_axis():
    picture = plots.history(HISTORY.assign(train_loss=[0.301, 0.302, 0.303]))
    low, high = picture.figure.axes[0].get_ylim()
    assert high - low < 0.3


def test_the_words_of_every_picture_can_be_read_on_a_phone(picture):
    drawn = re.findall(r"font(?:-size)?: ?[^;\"]*?([\d.]+)px", picture.body)
    assert drawn and min(map(float, drawn)) >= 11


def test_a_score_map_names_its_rows_and_writes_shares_in_per_cent():
    summary = pd.DataFrame(
        {
            "task": ["topic", "topic", "arc", "arc"],
            "layer": [0.0, 1.0, 0.0, 1.0],
            "mean": [0.2, 0.754, 0.5, 0.6],
        }
    )
    picture = plots.score_map(summary, rows=["task"], columns="layer", title="T", ylabel="task")
    (ax,) = picture.figure.axes
    assert [text.get_text() for text in ax.get_yticklabels()] == ["topic", "arc"]
    assert [text.get_text() for text in ax.texts] == ["20", "75", "50", "60"]
    assert "largest: 75 at task topic, layer 1" in picture.alt.lower()
