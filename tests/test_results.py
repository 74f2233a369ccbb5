import math
from pathlib import Path

import pytest

from tlhelpers.evidence.recorded import Recorded, ResultsError, read_content, recorded
from tools.sweep import RESULTS, limit_minutes, two_core_minutes, write_content

POINTS = [
    {
        "parameters": {"method": method, "labels": labels, "seed": seed},
        "values": {"accuracy": base + 0.01 * seed + labels / 100_000},
        "seconds": 1.0,
        "environment": 0,
    }
    for method, base in (("frozen", 0.7), ("full", 0.8))
    for labels in (100, 2000)
    for seed in range(5)
]
HERE = {"processor": "a processor", "cores": 2, "threads": 2, "versions": {}, "commit": "abc"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    content = {"sweep": "10-x", "code": "c", "environments": [HERE], "points": POINTS}
    write_content(tmp_path / "10-x.json", content)
    return tmp_path


@pytest.fixture
def sweep(folder) -> Recorded:
    return recorded("10-x", folder)


def test_one_seed_has_no_interval(sweep):
    row = sweep.summary(["method"], where={"labels": 100, "seed": 0}).iloc[0]
    assert (row.low, row.high, row.seeds) == (-math.inf, math.inf, 1)


def test_points_come_as_a_table_with_where_they_were_measured(sweep):
    assert len(sweep.points) == 20
    assert sweep.parameters == ("method", "labels", "seed") and sweep.values == ("accuracy",)
    assert sweep.meta["processor"] == "a processor"
    assert sweep.meta["seeds"] == 5 and sweep.meta["seconds"] == 20
    assert "20 points" in repr(sweep)


def test_summary_gives_mean_interval_and_number_of_seeds(sweep):
    table = sweep.summary(["method", "labels"])
    row = table[(table.method == "full") & (table.labels == 2000)].iloc[0]
    assert row["mean"] == pytest.approx(0.84)
    assert row.low < row["mean"] < row.high and row.seeds == 5


def test_summary_refuses_to_mix_settings(sweep):
    with pytest.raises(ResultsError, match="labels varies"):
        sweep.summary(["method"])
    assert len(sweep.summary(["method"], where={"labels": 100})) == 2


def test_a_difference_is_taken_seed_by_seed(sweep):
    where = {"method": "full", "labels": 2000}
    assert sweep.statistic("accuracy", where, {"method": "frozen"}, "low") == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("where", "message"),
    [({"metod": "full"}, "no parameter 'metod'"), ({"method": "ful"}, "There are: frozen, full")],
)
def test_a_wrong_selection_says_what_there_is(sweep, where, message):
    with pytest.raises(ResultsError, match=message):
        sweep.select(where)


def test_an_unknown_value_says_what_there_is(sweep):
    with pytest.raises(ResultsError, match="It has: accuracy"):
        sweep.statistic("f1", {"method": "full", "labels": 100})


def test_an_unknown_sweep_says_how_to_make_it(folder):
    with pytest.raises(ResultsError, match="make results CHAPTER=11"):
        recorded("11-x", folder)


def test_a_number_edited_by_hand_is_found(folder):
    path = folder / "10-x.json"
    text = path.read_text()
    assert "0.84" in text
    path.write_text(text.replace("0.84", "0.94", 1))
    with pytest.raises(ResultsError, match="checksum"):
        recorded("10-x", folder)


def test_an_edited_file_is_read_anew(folder, sweep):
    content = read_content(folder / "10-x.json")
    content["points"] = content["points"][:5]
    write_content(folder / "10-x.json", content)
    assert len(recorded("10-x", folder).points) == 5


# The recorded sweeps of the book ---------------------------------------------------------------

RECORDED = sorted(RESULTS.glob("*.json"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_sweeps_are_as_measured_and_have_five_seeds(path):
    sweep = recorded(path.stem)
    points = sweep.points
    # Choosing a setting on validation data is no result, and counting draws nothing at random.
    points = points[~points["stage"].isin(["tune", "pieces"])] if "stage" in points else points
    settings = [name for name in sweep.parameters if name != "seed"]
    groups = points.groupby(settings, dropna=False) if settings else [((), points)]
    for setting, rows in groups:
        assert rows.seed.nunique() >= 5, f"{path.name}: {setting} has {rows.seed.nunique()} seeds"


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_sweeps_keep_to_their_time(path):
    assert two_core_minutes(read_content(path)) <= limit_minutes(path.stem)
